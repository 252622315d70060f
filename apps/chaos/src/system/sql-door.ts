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
