import type { Pool, PoolClient } from 'pg';
import { classifyDatabaseError, CONNECTION_FAILURE } from '#postgres';
import { HandlerError } from '../handler-error.js';
import type { Send } from './statement-order.js';

/** The connection was lost, or does not answer. The SQLSTATE is of the class that means an outage. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = CONNECTION_FAILURE;

  constructor(cause: unknown) {
    super(`the connection to Postgres was lost: ${String(cause)}`, { cause });
  }
}

/** Postgres ended the connection because of a time limit, while no statement ran on it. */
export class PausedTooLongError extends Error {
  override readonly name = 'PausedTooLongError';
  readonly code: string | undefined;

  constructor(override readonly cause: Error) {
    super(cause.message, { cause });
    this.code = (cause as { code?: string }).code;
  }
}

/** Postgres refused the commit, because of a deferred constraint or a trigger. */
export class CommitRefusedError extends Error {
  override readonly name = 'CommitRefusedError';
  readonly code: string | undefined;
  readonly severity = 'ERROR';

  private constructor(override readonly cause: Error) {
    super(cause.message, { cause });
    this.code = (cause as { code?: string }).code;
  }

  /**
   * Wraps an error that Postgres reported. Any other error stays as it is, because a connection that broke
   * during the commit does not show what was written.
   */
  static of(error: unknown): unknown {
    return error instanceof Error && severityOf(error) === 'ERROR' ? new CommitRefusedError(error) : error;
  }
}

/** A statement failed, and its error was swallowed. */
export class TransactionFailedError extends Error {
  override readonly name = 'TransactionFailedError';

  constructor() {
    super('the transaction had failed, and the effect swallowed the error');
  }
}

const ANSWER_MS_MAX = 3_000;

/** A connection, and the only way to send statements on it. */
interface Connection {
  readonly client: PoolClient;
  readonly send: Send;
}

/** The state of the connection, and the error to report. */
interface TransactionEnd {
  readonly isUsable: boolean;
  readonly error: unknown;
}

/**
 * Ends a failed transaction: it rolls back if the connection can be trusted, and finds out who caused the
 * failure.
 *
 * The text of an error does not show whether the connection is lost, because a handler may throw anything.
 * The connection does:
 *
 *   the connection was lost by a bound on pauses or transactions ─▶ PausedTooLongError
 *                           by any other cause                   ─▶ ConnectionLostError: an outage
 *   it answers a ROLLBACK                                        ─▶ the error as it is
 *   it does not answer, but a second connection does             ─▶ a handler's statement was too slow
 *
 * @param broken returns why the connection was lost, as far as that is known
 * @returns whether the connection is still usable, and the error to report
 */
export async function endOf(
  pool: Pool,
  connection: Connection,
  error: unknown,
  broken: () => Error | undefined,
): Promise<TransactionEnd> {
  const ended = broken();
  // The cause of the loss says more than the statement that noticed it.
  if (ended !== undefined && classifyDatabaseError(ended) === 'timeout')
    return { isUsable: false, error: new PausedTooLongError(ended) };
  if (error instanceof HandlerError) return endOfHandler(pool, connection, error, broken);
  // Only after an error that the server reported can the connection be trusted.
  return { isUsable: severityOf(error) !== undefined && (await rollsBack(connection.send)), error };
}

async function endOfHandler(
  pool: Pool,
  connection: Connection,
  error: HandlerError,
  broken: () => Error | undefined,
): Promise<TransactionEnd> {
  const { cause, circumstances } = error;
  const isBoundMet = classifyDatabaseError(cause) === 'timeout';
  if (isFatal(cause) && isBoundMet) return { isUsable: false, error };
  const ended = broken();
  if (circumstances.isAbandoned === true) {
    // If Postgres is out of reach, the count of the attempt will wait for it.
    await endStatement(pool, connection.client);
    return { isUsable: false, error: ended === undefined ? error : new ConnectionLostError(ended) };
  }
  if (isReadTimeout(cause)) {
    const isReachable = await endStatement(pool, connection.client);
    const slow = new HandlerError(cause, { ...circumstances, isTooSlow: true });
    return { isUsable: false, error: isReachable ? slow : new ConnectionLostError(ended ?? cause) };
  }
  const isUsable = ended === undefined && !isFatal(cause) && (await rollsBack(connection.send));
  return { isUsable, error: isUsable ? error : new ConnectionLostError(broken() ?? cause) };
}

/**
 * Whether the client's own timeout ended the wait: for a lost connection, or for a statement without a bound
 * on the server.
 */
function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

/**
 * Ends the statement on a connection that is about to be closed. Closing alone would not end it, and the next
 * attempt would wait for its locks.
 *
 * @returns whether Postgres answers
 */
async function endStatement(pool: Pool, client: PoolClient): Promise<boolean> {
  const { processID } = client as { processID?: number | null };
  const asked = pool.query('SELECT pg_terminate_backend($1)', [processID ?? null]).then(
    () => true,
    () => false,
  );
  let timer: NodeJS.Timeout | undefined;
  // A pool may have no free connection, and would wait for one without a bound.
  const bound = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ANSWER_MS_MAX);
  });
  return Promise.race([asked, bound]).finally(() => clearTimeout(timer));
}

async function rollsBack(send: Send): Promise<boolean> {
  return send('ROLLBACK').then(
    () => true,
    () => false,
  );
}

function isFatal(error: unknown): boolean {
  const severity = severityOf(error);
  return severity === 'FATAL' || severity === 'PANIC';
}

function severityOf(error: unknown): string | undefined {
  const { severity } = (error ?? {}) as { severity?: unknown };
  return typeof severity === 'string' ? severity : undefined;
}
