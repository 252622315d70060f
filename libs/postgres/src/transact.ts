/** One transaction for what is done seldom: the connection waits for each answer. */
import type { Pool } from 'pg';
import type { Queryable } from './queryable.js';

/**
 * Commits what the work did, or nothing of it.
 *
 * @throws whatever the work or Postgres throws
 */
export async function transact<T>(pool: Pool, work: (database: Queryable) => Promise<T>): Promise<T> {
  const client = await pool.connect();
  let broken: unknown;
  try {
    await client.query('BEGIN');
    const result = await work(client);
    await client.query('COMMIT');
    return result;
  } catch (error) {
    // A connection that cannot even roll back is thrown away.
    await client.query('ROLLBACK').catch((failure: unknown) => (broken = failure));
    throw error;
  } finally {
    client.release(broken !== undefined);
  }
}
