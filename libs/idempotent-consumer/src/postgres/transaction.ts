import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { isFailedTransaction } from '#postgres';
import type { PreparedStatement, Transaction } from '../effect.js';
import { rootOf } from '../handler-error.js';
import { type Send, sendInOrder } from './statement-order.js';
import { CommitRefusedError, endOf, TransactionFailedError } from './transaction-end.js';

/** A statement whose answer is not read. */
export interface Statement {
  readonly text: string;
  /** The name under which it is prepared. */
  readonly name?: string;
  readonly values: readonly unknown[];
}

/** What may differ between transactions. */
export interface TransactionOptions {
  /** Is awaited before the transaction begins. An error keeps it from beginning. */
  readonly onConnected?: ((client: PoolClient) => Promise<void> | undefined) | undefined;
  /** Checks the answers to `begin`, one for each statement. An error ends the transaction. */
  readonly onBegun?: (answers: readonly QueryResult[]) => void;
  /** `ROLLBACK` rolls back a successful transaction, too. The default is `COMMIT`. */
  readonly ending?: 'COMMIT' | 'ROLLBACK';
}

/**
 * Runs `work` in a transaction of its own connection, in few round trips, and commits it.
 *
 * While this process has other work, a batch waits longer for each round trip than Postgres takes. Three
 * designs were considered:
 *
 * - Each statement in a round trip of its own: five trips per batch.
 * - The whole transaction as one message: one trip, but then an effect could not read, nor the inbox check
 *   before it commits.
 * - Statements that do not need each other's answers are sent together, if the pool's connections have
 *   `pipeline`. This is the design in use.
 *
 * The answer to BEGIN is always awaited, while the work prepares its columns: a statement behind a failed
 * BEGIN would commit by itself. The COMMIT is sent with the statement before it. Postgres may execute it
 * after this process has died, which is the same as dying between the commit and the acks.
 *
 * A connection is discarded when its state is unknown: after a timeout of this process, a broken socket or a
 * failed rollback. No other transaction uses it.
 *
 * @param begin the statement that opens it, for example `BEGIN`; it may take locks as well
 * @param work returns its result, and optionally the statement that is sent together with the commit; it must
 *   be repeatable
 * @param options see `TransactionOptions`
 * @returns the result of `work`
 * @throws the error of `work` or of Postgres. Then nothing remains, unless the connection broke during the
 *   commit, which may have succeeded.
 */
export async function inTransaction<T>(
  pool: Pool,
  streamId: number,
  begin: string,
  work: (transaction: Transaction) => Promise<{ readonly result: T; readonly last: Statement | undefined }>,
  { onConnected, onBegun, ending = 'COMMIT' }: TransactionOptions = {},
): Promise<T> {
  const client = await pool.connect();
  const send = sendInOrder(client);
  // A connection that breaks between two statements emits this; unhandled, it would end the process.
  const broken: { error?: Error } = {};
  const onError = (error: Error): void => {
    // The first error gives the cause; the end of the connection follows.
    broken.error ??= error;
  };
  client.on('error', onError);
  let discard = true;
  try {
    if (onConnected) await onConnected(client);
    const opened = send(begin).then((answer) => {
      // Several statements in one query have several answers, which the type does not know.
      onBegun?.([answer].flat());
    });
    const [, { result, last }] = await together([opened, work(transactionOn(send, streamId, opened))]);
    await end(send, last, ending);
    discard = false;
    return result;
  } catch (error) {
    const end = await endOf(pool, { client, send }, error, () => broken.error);
    discard = !end.isUsable;
    throw end.error;
  } finally {
    client.off('error', onError);
    client.release(discard || broken.error !== undefined);
  }
}

/**
 * Waits for all promises, whatever their outcomes. Statements on a connection must end before their
 * transaction does.
 *
 * @throws the first error, preferably not one that only echoes another failure
 */
export async function together<T extends readonly Promise<unknown>[] | []>(
  promises: T,
): Promise<{ -readonly [K in keyof T]: Awaited<T[K]> }> {
  const settled = await Promise.allSettled<unknown>(promises);
  const cause = settled.findIndex(
    (one) => one.status === 'rejected' && !isFailedTransaction(rootOf(one.reason)),
  );
  await promises[cause];
  return Promise.all(promises);
}

async function end(send: Send, last: Statement | undefined, ending: 'COMMIT' | 'ROLLBACK'): Promise<void> {
  const sent = last ? send(preparedIfNamed(last), last.values) : Promise.resolve();
  const ended = send(ending).catch((error: unknown) => {
    throw CommitRefusedError.of(error);
  });
  const [, { command }] = await together([sent, ended]);
  // A COMMIT rolls a failed transaction back, without an error.
  if (command !== ending) throw new TransactionFailedError();
}

function preparedIfNamed({ name, text }: Statement): string | PreparedStatement {
  return name === undefined ? text : { name, text };
}

function transactionOn(send: Send, streamId: number, opened: Promise<unknown>): Transaction {
  return {
    streamId,
    query: async <R extends QueryResultRow>(
      statement: string | PreparedStatement,
      values?: readonly unknown[],
    ): Promise<QueryResult<R>> => {
      await opened;
      return send<R>(statement, values);
    },
  };
}
