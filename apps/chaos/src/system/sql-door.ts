/**
 * The judge's door to Postgres: one connection for one statement, so that nothing of it can hang or go stale.
 *
 * Its connections bear a name of their own, by which faults that send everybody away can spare them.
 */
import pg from 'pg';

/** `application_name` of every connection of the judge. */
export const JUDGE_NAME = 'sekali-judge';

const CONNECT_MS_MAX = 3_000;
const STATEMENT_MS_MAX = 15_000;

/** A client that has not connected yet, bounded in every way. */
export function judgeClient(url: string): pg.Client {
  const client = new pg.Client({
    connectionString: url,
    application_name: JUDGE_NAME,
    connectionTimeoutMillis: CONNECT_MS_MAX,
    statement_timeout: STATEMENT_MS_MAX,
    query_timeout: STATEMENT_MS_MAX + 1_000,
  });
  // A connection that is lost while idle must not end the judge.
  client.on('error', () => undefined);
  return client;
}

/**
 * One connection for reading again and again, made anew when it breaks. The caller ends it.
 *
 * @param answerMsMax how long a connection, or a query, may take
 */
export function readingPool(url: string, answerMsMax: number): pg.Pool {
  const pool = new pg.Pool({
    connectionString: url,
    application_name: JUDGE_NAME,
    options: '-c default_transaction_read_only=on',
    max: 1,
    connectionTimeoutMillis: answerMsMax,
    query_timeout: answerMsMax,
  });
  // A connection that is cut while nobody uses it would end the judge.
  pool.on('error', () => undefined);
  return pool;
}

/** Runs one statement on a connection of its own. Throws what Postgres, or the way to it, says. */
export async function runStatement(
  url: string,
  statement: string,
  parameters: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const client = judgeClient(url);
  try {
    await client.connect();
    const { rows } = await client.query<Record<string, unknown>>(statement, [...parameters]);
    return rows;
  } finally {
    await client.end().catch(() => undefined);
  }
}
