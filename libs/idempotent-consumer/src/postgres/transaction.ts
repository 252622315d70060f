/**
 * One transaction on a connection of its own, in few round trips.
 *
 * A batch waits for the answer to each round trip as long as this process has other work, which under load is longer than
 * Postgres takes. Three ways were thought of: every statement by itself (five trips a batch), the whole transaction as one
 * message that a failing statement ends (one, but then an effect could not read, nor the inbox look before it commits), and
 * this: statements that do not need each other's answers are sent together, where the pool's connections are opened with
 * `pipeline`. Only BEGIN is always heard first, while the work prepares its columns: a statement behind a BEGIN that failed
 * would commit by itself. The COMMIT goes out with the statement before it: Postgres may carry it out after this process has
 * died, which is the same to the messages as dying between the commit and their acks.
 *
 * A connection whose state is unknown (a time-out of ours, a broken socket, a failed rollback) is thrown away,
 * never handed to the next transaction.
 */
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { isFailedTransaction } from '#postgres';
import type { Transaction } from '../effect.js';
import { rootOf } from '../handler-error.js';
import { CommitRefusedError, endOf, TransactionFailedError } from './transaction-end.js';

/** A statement whose answer nobody reads. */
export interface Statement {
  readonly text: string;
  readonly values: readonly unknown[];
}

/**
 * Runs `work` in a transaction and commits it.
 *
 * @param begin the statement that opens it, for example `BEGIN`; it may take locks as well
 * @param work gives its result, and the statement that goes to Postgres together with the commit, if any
 * @param onBegun looks at the answers to `begin`, one for each statement; what it throws ends the transaction
 * @param ending `ROLLBACK` takes back what went well, too
 * @throws whatever `work` or Postgres throws; then nothing of it remains, except when the connection broke during
 *   the commit: then it may have been committed, so `work` must bear being repeated
 */
export async function inTransaction<T>(
  pool: Pool,
  streamId: number,
  begin: string,
  work: (transaction: Transaction) => Promise<{ readonly result: T; readonly last: Statement | undefined }>,
  onBegun: (answers: readonly QueryResult[]) => void = () => undefined,
  ending: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks between two statements says so here; unheard, it would end the process.
  const broken: { error?: Error } = {};
  const onError = (error: Error): void => {
    // The first says why; that the connection has ended follows.
    broken.error ??= error;
  };
  client.on('error', onError);
  let discard = true;
  try {
    const opened = client.query(begin).then((answer) => {
      // Several statements in one query have as many answers, which the type does not know.
      onBegun([answer].flat());
    });
    const [, { result, last }] = await together([opened, work(transactionOn(client, streamId, opened))]);
    await end(client, last, ending);
    discard = false;
    return result;
  } catch (error) {
    const end = await endOf(pool, client, error, () => broken.error);
    discard = !end.isUsable;
    throw end.error;
  } finally {
    client.off('error', onError);
    client.release(discard || broken.error !== undefined);
  }
}

/**
 * Waits for all, whatever becomes of them: what is under way on a connection must be over before its transaction ends.
 *
 * @throws what the first of them threw; rather not the mere echo of another's failure
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

async function end(
  client: PoolClient,
  last: Statement | undefined,
  ending: 'COMMIT' | 'ROLLBACK',
): Promise<void> {
  const sent = last ? client.query(last.text, last.values as unknown[]) : Promise.resolve();
  const ended = client.query(ending).catch((error: unknown) => {
    throw CommitRefusedError.of(error);
  });
  const [, { command }] = await together([sent, ended]);
  // A transaction that failed is rolled back by a COMMIT, without an error.
  if (command !== ending) throw new TransactionFailedError();
}

function transactionOn(client: PoolClient, streamId: number, opened: Promise<unknown>): Transaction {
  return {
    streamId,
    query: async <R extends QueryResultRow>(
      text: string,
      values?: readonly unknown[],
    ): Promise<QueryResult<R>> => {
      await opened;
      return client.query<R>(text, values as unknown[]);
    },
  };
}
