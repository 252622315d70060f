/**
 * What an error of Postgres, or of the way to it, means for the work that met it.
 *
 * The distinction decides whether a message is lost to a dead letter: an outage must never look like a bad row.
 */

/** `outage`: wait and repeat. `contention`: repeat at once. `refused`: the data will never be taken. `other`: a defect. */
export type DatabaseFailure = 'outage' | 'contention' | 'refused' | 'other';

// Serialization failure, deadlock, lock not available: somebody else was at it, nothing is wrong.
const CONTENTION = new Set(['40001', '40P01', '55P03']);
// Read-only, cancelled by a time-out of ours, terminated transactions, in recovery, a missing table while migrating.
const OUTAGE = new Set([
  '25006',
  '25P02',
  '25P03',
  '25P04',
  '57014',
  '42P01',
  '3D000',
  '3F000',
  '28P01',
  '28000',
]);
const OUTAGE_CLASSES = new Set(['08', '53', '57', '58', 'XX', 'F0']);
// Data exception, integrity violation, program limit (nesting, index row size).
const REFUSED_CLASSES = new Set(['22', '23', '54']);

const NETWORK_CODES = new Set([
  'ECONNREFUSED',
  'ECONNRESET',
  'EPIPE',
  'ETIMEDOUT',
  'ENOTFOUND',
  'EAI_AGAIN',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENETDOWN',
  'ECONNABORTED',
  'EADDRNOTAVAIL',
  'ENOENT',
]);

// pg reports these without a code.
const CONNECTION_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Connection ended|timeout expired|socket hang up|before secure TLS connection/i;

/** Classifies an error thrown by `pg` or TypeORM. */
export function classifyDatabaseError(error: unknown): DatabaseFailure {
  // Not `instanceof Error`: an error of Node's own may come from another realm, as in a test runner.
  if (typeof error !== 'object' || error === null) return 'other';
  const { driverError, errors, message } = error as {
    driverError?: unknown;
    errors?: unknown;
    message?: unknown;
  };
  const { code } = (driverError ?? error) as { code?: unknown };
  if (typeof code === 'string') {
    if (NETWORK_CODES.has(code)) return 'outage';
    if (CONTENTION.has(code)) return 'contention';
    if (OUTAGE.has(code) || OUTAGE_CLASSES.has(code.slice(0, 2))) return 'outage';
    if (REFUSED_CLASSES.has(code.slice(0, 2))) return 'refused';
  }
  // One for each address of a host that has several.
  if (Array.isArray(errors) && errors.length > 0) {
    return errors.every((inner) => classifyDatabaseError(inner) === 'outage') ? 'outage' : 'other';
  }
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message) ? 'outage' : 'other';
}

/** Whether an error means that the database cannot be used now, and waiting helps. */
export function isUnavailable(error: unknown): boolean {
  const failure = classifyDatabaseError(error);
  return failure === 'outage' || failure === 'contention';
}
