/**
 * The judge's door to Postgres: one connection for one statement, so that no connection can hang or become stale.
 *
 * Its connections have a name of their own, by which faults that end all sessions can spare them.
 */
import pg from 'pg';

/** `application_name` of every connection of the judge. */
export const JUDGE_NAME = 'sekali-judge';

// On a busy machine, three seconds were too short for the connection by which a fault is caused.
const CONNECT_MS_MAX = 8_000;
const STATEMENT_MS_MAX = 15_000;

/** A client that has not connected yet, with a bound for each step. */
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
 * One connection for repeated reading, which is replaced when it breaks. The caller ends it.
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
  // Without a listener, a connection that is cut while idle would end the judge.
  pool.on('error', () => undefined);
  return pool;
}

/** Runs one statement on a separate connection. Throws the error of Postgres, or of the way to it. */
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
