/** One statement with a bound of its own, for work that can do without its answer. */
import type { Pool, QueryResult, QueryResultRow } from 'pg';
import type { Queryable } from './queryable.js';
import { classifyDatabaseError } from './sqlstate.js';
import { transact } from './transact.js';

/**
 * Runs a statement that reads, and gives it up after a time.
 *
 * A transaction that failed can answer nothing more. So a client, which may be inside one, keeps the bound of its session.
 *
 * @param database a pool, so that the statement gets a transaction of its own
 * @param msMax a positive integer
 * @returns `undefined` when the time was over
 * @throws the error of Postgres, also that a client's own bound was exceeded
 */
export async function queryBounded<R extends QueryResultRow>(
  database: Queryable,
  msMax: number,
  text: string,
  values: readonly unknown[],
): Promise<QueryResult<R> | undefined> {
  if (!isPool(database)) return database.query<R>(text, values);
  try {
    return await transact(database, async (client) => {
      await client.query(`SET LOCAL statement_timeout = ${msMax}`);
      return client.query<R>(text, values);
    });
  } catch (error) {
    if (classifyDatabaseError(error) === 'timeout') return undefined;
    throw error;
  }
}

function isPool(database: Queryable): database is Pool {
  return 'totalCount' in database;
}
