/**
 * How a transaction ended that was not committed, and whose doing that was.
 *
 * The text of an error does not say whether the connection is gone: a handler may throw anything. The connection does:
 *
 *   the connection has ended, by a bound on pauses or transactions ─▶ PausedTooLongError
 *                             by anything else                     ─▶ ConnectionLostError: an outage
 *   it answers a ROLLBACK                                          ─▶ the error as it is
 *   it gives no answer, and a second one gives one                 ─▶ a handler's statement was too slow
 */
import type { Pool, PoolClient } from 'pg';
import { classifyDatabaseError, CONNECTION_FAILURE } from '#postgres';
import { HandlerError } from '../handler-error.js';

/** The connection ended, or gives no answer. Its code is of the class that means an outage. */
export class ConnectionLostError extends Error {
  override readonly name = 'ConnectionLostError';
  readonly code = CONNECTION_FAILURE;

  constructor(cause: unknown) {
    super(`the connection to Postgres was lost: ${String(cause)}`, { cause });
  }
}

/** Postgres ended the connection because of a bound, while no statement was under way on it. */
export class PausedTooLongError extends Error {
  override readonly name = 'PausedTooLongError';
  readonly code: string | undefined;

  constructor(override readonly cause: Error) {
    super(cause.message, { cause });
    this.code = (cause as { code?: string }).code;
  }
}

/** Postgres refused to commit what it had taken: a deferred constraint, or a trigger that runs at the end. */
export class CommitRefusedError extends Error {
  override readonly name = 'CommitRefusedError';
  readonly code: string | undefined;
  readonly severity = 'ERROR';

  private constructor(override readonly cause: Error) {
    super(cause.message, { cause });
    this.code = (cause as { code?: string }).code;
  }

  /** Nothing else becomes one: a connection that broke during the commit says nothing about what was written. */
  static of(error: unknown): unknown {
    return error instanceof Error && severityOf(error) === 'ERROR' ? new CommitRefusedError(error) : error;
  }
}

/** A statement had failed, and its error was not let through. */
export class TransactionFailedError extends Error {
  override readonly name = 'TransactionFailedError';

  constructor() {
    super('the transaction had failed, and the effect kept quiet about it');
  }
}

const ANSWER_MS_MAX = 3_000;

/** What became of the connection, and what is to be said of the failure. */
interface TransactionEnd {
  readonly isUsable: boolean;
  readonly error: unknown;
}

/**
 * Rolls back, where the connection can still be trusted with that.
 *
 * @param broken why the connection ended, as far as that is known by now
 */
export async function endOf(
  pool: Pool,
  client: PoolClient,
  error: unknown,
  broken: () => Error | undefined,
): Promise<TransactionEnd> {
  const ended = broken();
  // What ended the connection says more than the statement that found it ended.
  if (ended !== undefined && classifyDatabaseError(ended) === 'timeout')
    return { isUsable: false, error: new PausedTooLongError(ended) };
  if (error instanceof HandlerError) return endOfHandler(pool, client, error, broken);
  // Only an error that the server reported leaves a connection that can be trusted.
  return { isUsable: severityOf(error) !== undefined && (await rollsBack(client)), error };
}

async function endOfHandler(
  pool: Pool,
  client: PoolClient,
  error: HandlerError,
  broken: () => Error | undefined,
): Promise<TransactionEnd> {
  const { cause, circumstances } = error;
  const isBoundMet = classifyDatabaseError(cause) === 'timeout';
  if (isFatal(cause) && isBoundMet) return { isUsable: false, error };
  const ended = broken();
  if (circumstances.isAbandoned === true) {
    // Where Postgres is out of reach, the count of the attempt waits for it.
    await endStatement(pool, client);
    return { isUsable: false, error: ended === undefined ? error : new ConnectionLostError(ended) };
  }
  if (isReadTimeout(cause)) {
    const isReachable = await endStatement(pool, client);
    const slow = new HandlerError(cause, { ...circumstances, isTooSlow: true });
    return { isUsable: false, error: isReachable ? slow : new ConnectionLostError(ended ?? cause) };
  }
  const isUsable = ended === undefined && !isFatal(cause) && (await rollsBack(client));
  return { isUsable, error: isUsable ? error : new ConnectionLostError(broken() ?? cause) };
}

/** The client's own clock ran out, which may be a black hole or a statement without a bound on the server. */
function isReadTimeout(error: unknown): boolean {
  return error instanceof Error && error.message === 'Query read timeout';
}

/**
 * Ends what is carried out on a connection that is about to be closed: closing it would not end a statement under way,
 * whose locks the next attempt would wait for.
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
  // A pool may have no other connection to give, and wait for one without a bound.
  const bound = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ANSWER_MS_MAX);
  });
  return Promise.race([asked, bound]).finally(() => clearTimeout(timer));
}

async function rollsBack(client: PoolClient): Promise<boolean> {
  return client.query('ROLLBACK').then(
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
