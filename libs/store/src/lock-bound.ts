/**
 * The bound on waiting for a lock on a table.
 *
 * Postgres serves locks in order. A change of a table that waits for a long reader, such as a backup, makes every insert
 * after it wait, too; given up after a moment and tried again later, it makes them wait for that moment only.
 */

/** How long a change of the schema waits for one lock, and with it everybody behind it. */
export const LOCK_MS_MAX = 2_000;

const LOCK_NOT_AVAILABLE = '55P03';

/** Whether somebody held a lock for longer than the bound: nothing was changed, and trying again later is right. */
export function isLockTimeout(error: unknown): boolean {
  const { code, driverError } = (error ?? {}) as { code?: unknown; driverError?: { code?: unknown } };
  return code === LOCK_NOT_AVAILABLE || driverError?.code === LOCK_NOT_AVAILABLE;
}
