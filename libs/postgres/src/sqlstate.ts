/**
 * Classifies errors of Postgres, and of the connection to it. No other file of ours reads a SQLSTATE.
 *
 * The distinction decides whether a message becomes a dead letter, so an outage must never look like a bad row. Only an
 * outage shows its cause by itself. Any other error may be the fault of one message or of the whole store, and the
 * caller finds out which.
 */

/**
 * What an error calls for. `outage`: wait and repeat. `contention`: repeat at once. `refused`: Postgres does not take
 * the data. `timeout`: a bound on time was exceeded. `other`: a defect.
 */
export type DatabaseFailure = 'outage' | 'contention' | 'refused' | 'timeout' | 'other';

// Serialization failure, deadlock, lock not available: another session was in the way, and nothing is wrong.
const CONTENTION = new Set(['40001', '40P01', '55P03']);
// The server is read-only, the database does not exist, or the login is refused.
const OUTAGE = new Set(['25006', '3D000', '28P01', '28000']);
const OUTAGE_CLASSES = new Set(['08', '53', '57', '58', 'F0']);
// One of our bounds was exceeded: on a statement, on an idle transaction, or on a transaction.
const TIMEOUT = new Set(['57014', '25P03', '25P04']);
// A table or a schema is missing, as before the first migration.
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

// The driver `pg` reports these without a code.
const CONNECTION_MESSAGES =
  /Connection terminated|timeout exceeded when trying to connect|Query read timeout|not queryable|Connection ended|timeout expired|socket hang up|before secure TLS connection/i;

/** Classifies an error that `pg` or TypeORM threw. Any other value is `other`. */
export function classifyDatabaseError(error: unknown): DatabaseFailure {
  // `instanceof Error` would miss errors from another realm, such as those of Node in a test runner.
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
  // A host with several addresses gives one error for each.
  if (Array.isArray(errors) && errors.length > 0) {
    return errors.every((inner) => classifyDatabaseError(inner) === 'outage') ? 'outage' : 'other';
  }
  return typeof message === 'string' && CONNECTION_MESSAGES.test(message) ? 'outage' : 'other';
}

/**
 * Whether an error means that the database cannot be used now, and that waiting helps. This is for a program's own
 * statements, which no message can make fail. So a missing schema and an exceeded bound count as well.
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
 * Whether an error is about the value itself: class 22 is an invalid value, class 54 one that is too large. A violated
 * constraint (class 23) does not count, because the constraint may be the mistake.
 */
export function isAboutTheValue(error: unknown): boolean {
  const sqlClass = errorCodeOf(error)?.slice(0, 2);
  return sqlClass === '22' || sqlClass === '54';
}

/** The SQLSTATE of a lost connection, for errors that our code throws. It means an outage. */
export const CONNECTION_FAILURE = '08006';

/** The SQLSTATE of a server that takes no writes, for errors that our code throws. It means an outage. */
export const READ_ONLY = '25006';

/** The SQLSTATE with which a closed generation of keys refuses an insert. */
export const CLOSED_GENERATION = 'SK001';

/** Whether an error says that such a row exists already. */
export function isUniqueViolation(error: unknown): boolean {
  const state = errorCodeOf(error);
  return state === '23505' || state === '23P01';
}

/** Whether an error says that a table does not exist, as before the first migration. */
export function isMissingTable(error: unknown): boolean {
  return errorCodeOf(error) === '42P01';
}

/** Whether another session held a lock for longer than the bound. */
export function isLockTimeout(error: unknown): boolean {
  return errorCodeOf(error) === '55P03';
}

/**
 * Whether a closed generation of keys refused an insert. The code is our own: see the migration `KeyGenerations` of the
 * store, and generation-change.ts of the inbox.
 */
export function isClosedGeneration(error: unknown): boolean {
  return errorCodeOf(error) === CLOSED_GENERATION;
}

/** Whether an error only repeats that an earlier statement of the transaction had failed. */
export function isFailedTransaction(error: unknown): boolean {
  return errorCodeOf(error) === '25P02';
}

/**
 * Whether the login is refused (class 28): the password is wrong, or the role does not exist. Waiting does not help.
 */
export function isLoginRefused(error: unknown): boolean {
  return errorCodeOf(error)?.startsWith('28') === true;
}

/** Whether an error is about the statement: its values (22), the constraints (23), or its names or rights (42). */
export function isWrongStatement(error: unknown): boolean {
  return WRONG_STATEMENT_CLASSES.has(errorCodeOf(error)?.slice(0, 2) ?? '');
}

/**
 * Returns the code of an error that `pg` or TypeORM threw. It is a SQLSTATE where Postgres answered, and Node's own
 * code (`ECONNREFUSED`) where the connection failed.
 *
 * @returns `undefined` for any other error
 */
export function errorCodeOf(error: unknown): string | undefined {
  // `instanceof Error` would miss errors from another realm, such as those of Node in a test runner.
  if (typeof error !== 'object' || error === null) return undefined;
  const { driverError } = error as { driverError?: unknown };
  const { code } = (driverError ?? error) as { code?: unknown };
  return typeof code === 'string' ? code : undefined;
}
