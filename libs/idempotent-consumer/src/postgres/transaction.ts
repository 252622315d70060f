/**
 * One transaction on a connection of its own.
 *
 * A connection whose state is unknown (a time-out of ours, a broken socket, a failed rollback) is thrown away,
 * never handed to the next transaction.
 */
import type { Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import type { Transaction } from '../effect.js';

/**
 * Runs `work` in a transaction and commits it.
 *
 * @param begin the statement that opens it, for example `BEGIN`; it may take locks as well
 * @throws whatever `work` or Postgres throws; then nothing of it remains, except when the connection broke during
 *   the commit: then it may have been committed, so `work` must bear being repeated
 */
export async function inTransaction<T>(
  pool: Pool,
  streamId: number,
  begin: string,
  work: (transaction: Transaction) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  // A connection that breaks between two statements says so here; unheard, it would end the process.
  const broken: { error?: Error } = {};
  const onError = (error: Error): void => {
    broken.error = error;
  };
  client.on('error', onError);
  let discard = true;
  try {
    await client.query(begin);
    const result = await work(transactionOn(client, streamId));
    await client.query('COMMIT');
    discard = false;
    return result;
  } catch (error) {
    discard = !(await rolledBack(client, error));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(discard || broken.error !== undefined);
  }
}

async function rolledBack(client: PoolClient, error: unknown): Promise<boolean> {
  // Only an error that the server reported leaves a connection that can be trusted.
  if (typeof (error as { severity?: unknown }).severity !== 'string') return false;
  return client.query('ROLLBACK').then(
    () => true,
    () => false,
  );
}

function transactionOn(client: PoolClient, streamId: number): Transaction {
  return {
    streamId,
    query: <R extends QueryResultRow>(text: string, values?: readonly unknown[]): Promise<QueryResult<R>> =>
      client.query<R>(text, values as unknown[]),
  };
}
