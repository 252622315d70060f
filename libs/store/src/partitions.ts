/**
 * The days of the event table.
 *
 * Partitions are made a week ahead, by `setup` and then by the workers, and a default partition takes what
 * would still find none, so that no event ever fails for want of one. A day that was caught by the default
 * partition is moved when its own is made.
 */
import type { Pool } from 'pg';
import { LOCK_MS_MAX } from './lock-bound.js';

const DAYS_AHEAD = 7;
const DAY_MS = 86_400_000;
const PARTITION_LOCK = 7_365_001;

const EXISTING = `
SELECT 'sekali.' || partition.relname AS name
FROM pg_inherits JOIN pg_class partition ON partition.oid = inhrelid
WHERE inhparent = 'sekali.event'::regclass`;

/**
 * Makes the partitions from today to a week ahead, those that are missing.
 *
 * @param now the database's clock decides which partition a row goes to; ours only decides which are made ahead
 * @returns the names of those that were made
 * @throws an error that `isLockTimeout` knows, when somebody reads the table for long; another time will do
 */
export async function ensurePartitions(pool: Pool, now = new Date()): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(EXISTING);
  const existing = new Set(rows.map((row) => row.name));
  const made: string[] = [];
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const day = new Date(now.getTime() + ahead * DAY_MS).toISOString().slice(0, 10);
    const name = `sekali.event_${day.replaceAll('-', '')}`;
    if (existing.has(name)) continue;
    await makePartition(pool, name, day);
    made.push(name);
  }
  return made;
}

async function makePartition(pool: Pool, name: string, day: string): Promise<void> {
  const end = new Date(Date.parse(day) + DAY_MS).toISOString().slice(0, 10);
  const range = `stored_at >= '${day}' AND stored_at < '${end}'`;
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = ${LOCK_MS_MAX}`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [PARTITION_LOCK]);
    const { rows } = await client.query('SELECT to_regclass($1) AS found', [name]);
    if ((rows[0] as { found: string | null }).found === null) {
      await client.query(`CREATE TABLE ${name} (LIKE sekali.event INCLUDING ALL)`);
      await client.query(`LOCK TABLE sekali.event IN SHARE ROW EXCLUSIVE MODE`);
      await client.query(
        `WITH moved AS (DELETE FROM sekali.event_default WHERE ${range} RETURNING *) INSERT INTO ${name} SELECT * FROM moved`,
      );
      await client.query(
        `ALTER TABLE sekali.event ATTACH PARTITION ${name} FOR VALUES FROM ('${day}') TO ('${end}')`,
      );
    }
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}
