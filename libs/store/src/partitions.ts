/**
 * The days of the event table.
 *
 * Partitions are made a week ahead, by `setup` and then by the workers, and a default partition takes what
 * would still find none, so that no event ever fails for want of one. A day that was caught by the default
 * partition is moved when its own is made. The database's own function makes each: a worker does not own the table.
 */
import type { Pool } from 'pg';

const DAYS_AHEAD = 7;
const DAY_MS = 86_400_000;

const EXISTING = `
SELECT 'sekali.' || partition.relname AS name
FROM pg_inherits JOIN pg_class partition ON partition.oid = inhrelid
WHERE inhparent = 'sekali.event'::regclass`;

const MAKE_PARTITION = `SELECT sekali.make_partition($1::date) AS made`;

/**
 * Makes the partitions from today to a week ahead, those that are missing.
 *
 * @param now the database's clock decides which partition a row goes to; ours only decides which are made ahead
 * @returns the names of those that were made
 * @throws an error that `isLockTimeout` knows, when somebody reads the table for long; another time will do
 */
export async function ensurePartitions(pool: Pool, now = new Date()): Promise<string[]> {
  const present = await pool.query<{ name: string }>(EXISTING);
  const existing = new Set(present.rows.map(({ name }) => name));
  const made: string[] = [];
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const day = new Date(now.getTime() + ahead * DAY_MS).toISOString().slice(0, 10);
    const name = `sekali.event_${day.replaceAll('-', '')}`;
    if (existing.has(name)) continue;
    // A transaction each: it locks the table for no longer than one day's partition takes.
    const { rows } = await pool.query<{ made: boolean }>(MAKE_PARTITION, [day]);
    if (rows[0]?.made === true) made.push(name);
  }
  return made;
}
