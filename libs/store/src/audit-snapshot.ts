/**
 * One consistent snapshot of the database for the audit.
 *
 * The audit reads everything in one REPEATABLE READ, READ ONLY transaction. A message that is settled meanwhile is
 * either in all of its tables or in none. The locks prevent days from being dropped, and ids from
 * being forgotten, until the audit is over.
 */
import type { Pool } from 'pg';
import { readSnapshot, type Queryable } from '#postgres';

const LOCK_ROWS = `LOCK TABLE sekali.event, sekali.event_key IN ACCESS SHARE MODE`;
/** The first SELECT fixes the snapshot. Without this one, the first chunk would fix it. */
const FIX_SNAPSHOT = `SELECT count(*) FROM sekali.stream`;

const MISSING_TABLES = `
SELECT name FROM unnest(ARRAY['stream', 'event_key', 'event', 'event_sample', 'dropped_payload', 'dropped_row',
  'dropped_sequence', 'forgotten_generation', 'forgotten_id', 'forgotten_sequence', 'duplicate', 'dead_letter', 'counter',
  'histogram', 'promise']) AS name
WHERE to_regclass('sekali.' || name) IS NULL`;

/**
 * Names the tables that the audit needs and schema `sekali` does not have.
 *
 * @returns their names without the schema; empty when the schema is complete
 */
export async function missingTables(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(MISSING_TABLES);
  return rows.map((row) => row.name);
}

/**
 * Runs `work` on one consistent, read-only snapshot of the database, which is fixed before `work` begins.
 *
 * @returns what `work` resolves to
 * @throws the error of `work` or of the database; the transaction has ended
 */
export async function withAuditSnapshot<T>(
  pool: Pool,
  work: (database: Queryable) => Promise<T>,
): Promise<T> {
  return readSnapshot(pool, async (database) => {
    await database.query(LOCK_ROWS);
    await database.query(FIX_SNAPSHOT);
    return work(database);
  });
}
