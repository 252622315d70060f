/**
 * The bound on waiting for a lock on a table.
 *
 * Postgres serves locks in order. A change of a table that waits for a long reader, such as a backup, makes every later
 * insert wait as well. When the change gives up after a moment and tries again later, inserts wait for that moment
 * only.
 */

/**
 * How long a change of the schema waits for one lock, in milliseconds, while later statements wait behind it. Its error
 * is recognized by `isLockTimeout`.
 */
export const LOCK_MS_MAX = 2_000;
