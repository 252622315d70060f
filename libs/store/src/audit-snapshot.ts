/**
 * One consistent view of the database for the audit.
 *
 * Everything the audit reads comes from one REPEATABLE READ, READ ONLY transaction: a message that is settled
 * while the audit reads is either in all of its tables or in none. The lock keeps a day from being dropped
 * meanwhile; dropping waits until the audit is over.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';

const BEGIN = `BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY`;
const LOCK_DAYS = `LOCK TABLE sekali.event IN ACCESS SHARE MODE`;
/** The first SELECT fixes what the transaction sees; without it the first chunk would. */
const FIX_SNAPSHOT = `SELECT count(*) FROM sekali.stream`;

const MISSING_TABLES = `
SELECT name FROM unnest(ARRAY['stream', 'event_key', 'event', 'duplicate', 'dead_letter', 'counter', 'promise']) AS name
WHERE to_regclass('sekali.' || name) IS NULL`;

/**
 * Names the tables of schema `sekali` that are not there.
 *
 * @returns empty when the schema has been made
 */
export async function missingTables(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(MISSING_TABLES);
  return rows.map((row) => row.name);
}

/**
 * Runs `work` on one consistent, read-only view of the database, fixed before `work` begins.
 *
 * @throws what `work` throws, or the database's own error; nothing is left open
 */
export async function withAuditSnapshot<T>(
  pool: Pool,
  work: (database: Queryable) => Promise<T>,
): Promise<T> {
  const client = await pool.connect();
  try {
    await client.query(BEGIN);
    await client.query(LOCK_DAYS);
    await client.query(FIX_SNAPSHOT);
    return await work(client);
  } finally {
    // A connection that cannot even roll back is thrown away.
    await client.query('ROLLBACK').then(
      () => {
        client.release();
      },
      () => {
        client.release(true);
      },
    );
  }
}
