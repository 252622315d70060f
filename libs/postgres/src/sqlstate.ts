/**
 * What an error of Postgres, or of the way to it, means for the work that met it. No other file of ours reads a SQLSTATE.
 *
 * The distinction decides whether a message is lost to a dead letter: an outage must never look like a bad row. Only an
 * outage says by itself whose fault it is. Every other error may be the fault of one message or of the whole store, and
 * the caller finds out which.
 */

/**
 * `outage`: wait and repeat. `contention`: repeat at once. `refused`: the data is not taken. `timeout`: something took
 * too long. `other`: a defect.
 */
export type DatabaseFailure = 'outage' | 'contention' | 'refused' | 'timeout' | 'other';

// Serialization failure, deadlock, lock not available: somebody else was at it, nothing is wrong.
const CONTENTION = new Set(['40001', '40P01', '55P03']);
// Read-only, no such database, a login that is refused.
const OUTAGE = new Set(['25006', '3D000', '28P01', '28000']);
const OUTAGE_CLASSES = new Set(['08', '53', '57', '58', 'F0']);
// A bound of ours was met: on a statement, on a pause within a transaction, on a transaction.
const TIMEOUT = new Set(['57014', '25P03', '25P04']);
// A table or a schema that is missing, as before the first migration.
const MISSING = new Set(['42P01', '3F000']);
// Data exception, integrity violation, program limit (nesting, index row size).
const REFUSED_CLASSES = new Set(['22', '23', '54']);
// Data exception, integrity violation, syntax error or access rule violation.
const WRONG_STATEMENT_CLASSES = new Set(['22', '23', '42']);

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
  const { errors, message } = error as { errors?: unknown; message?: unknown };
  const code = errorCodeOf(error);
  if (code !== undefined) {
    if (NETWORK_CODES.has(code)) return 'outage';
    if (CONTENTION.has(code)) return 'contention';
    if (TIMEOUT.has(code)) return 'timeout';
    if (OUTAGE.has(code) || OUTAGE_CLASSES.has(code.slice(0, 2))) return 'outage';
    if (REFUSED_CLASSES.has(code.slice(0, 2))) return 'refused';
  }
  // One for each address of a host that has several.
  if (Array.isArray(errors) && errors.length > 0) {
    return errors.every((inner) => classifyDatabaseError(inner) === 'outage') ? 'outage' : 'other';
  }
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message) ? 'outage' : 'other';
}

/**
 * Whether an error means that the database cannot be used now, and waiting helps. For statements of the program's own,
 * which no message can make fail: a schema that is missing and a bound that was met are waited out as well.
 */
export function isUnavailable(error: unknown): boolean {
  const failure = classifyDatabaseError(error);
  return (
    failure === 'outage' ||
    failure === 'contention' ||
    failure === 'timeout' ||
    MISSING.has(errorCodeOf(error) ?? '')
  );
}

/**
 * Whether an error speaks of the value itself: class 22 is a value that is none, class 54 one that is too large. A
 * constraint (class 23) does not: it may have been added by mistake.
 */
export function isAboutTheValue(error: unknown): boolean {
  const sqlClass = errorCodeOf(error)?.slice(0, 2);
  return sqlClass === '22' || sqlClass === '54';
}

/** The code of an error that says that a connection was lost, for one that is thrown by us. It means an outage. */
export const CONNECTION_FAILURE = '08006';

/** Whether an error says that a row is there already. */
export function isUniqueViolation(error: unknown): boolean {
  const state = errorCodeOf(error);
  return state === '23505' || state === '23P01';
}

/** Whether an error says that a table does not exist, as before the first migration. */
export function isMissingTable(error: unknown): boolean {
  return errorCodeOf(error) === '42P01';
}

/** Whether a lock was held by another session for longer than the bound. */
export function isLockTimeout(error: unknown): boolean {
  return errorCodeOf(error) === '55P03';
}

/** Whether an error only repeats that an earlier statement of the transaction had failed. */
export function isFailedTransaction(error: unknown): boolean {
  return errorCodeOf(error) === '25P02';
}

/** Whether the login is refused (class 28): a wrong password, or a role that does not exist. No waiting mends that. */
export function isLoginRefused(error: unknown): boolean {
  return errorCodeOf(error)?.startsWith('28') === true;
}

/** Whether an error says that the statement is wrong: its values (22), its constraints (23), its names or rights (42). */
export function isWrongStatement(error: unknown): boolean {
  return WRONG_STATEMENT_CLASSES.has(errorCodeOf(error)?.slice(0, 2) ?? '');
}

/**
 * The code of an error that `pg` or TypeORM threw: a SQLSTATE where Postgres answered, Node's own code (`ECONNREFUSED`)
 * where the connection failed, `undefined` for any other error.
 */
export function errorCodeOf(error: unknown): string | undefined {
  // Not `instanceof Error`: an error of Node's own may come from another realm, as in a test runner.
  if (typeof error !== 'object' || error === null) return undefined;
  const { driverError } = error as { driverError?: unknown };
  const { code } = (driverError ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
