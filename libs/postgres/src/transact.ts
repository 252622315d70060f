/** One transaction for rare work: each statement waits for the answer of the one before. */
import type { Pool } from 'pg';
import type { Queryable } from './queryable.js';

/**
 * Runs work in one transaction, which commits when it resolves and rolls back when it throws.
 *
 * @param work gets the connection of the transaction
 * @returns what the work resolves to
 * @throws the error of the work or of Postgres; then nothing has changed
 */
export async function transact<T>(pool: Pool, work: (database: Queryable) => Promise<T>): Promise<T> {
  return inTransaction(pool, 'BEGIN', work);
}

/**
 * Runs work that only reads, and sees the database as it is at its first statement. What it has read is not dropped
 * meanwhile.
 *
 * @returns what the work resolves to
 * @throws the error of the work or of Postgres; the transaction has ended
 */
export async function readSnapshot<T>(pool: Pool, work: (database: Queryable) => Promise<T>): Promise<T> {
  return inTransaction(pool, 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY', work);
}

async function inTransaction<T>(
  pool: Pool,
  begin: string,
  work: (database: Queryable) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  let broken: unknown;
  // A connection that breaks between two statements emits this; unhandled, it would end the process.
  const onError = (error: Error): void => {
    broken = error;
  };
  client.on('error', onError);
  try {
    await client.query(begin);
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // A connection that cannot roll back is discarded.
    await client.query('ROLLBACK').catch((failure: unknown) => (broken = failure));
    throw error;
  } finally {
    client.off('error', onError);
    client.release(broken !== undefined);
  }
}
