/** Rows of an inbox that are kept under another number of the stream from now on, while no batch is decided. */
import type { Pool } from 'pg';
import type { InboxTableNames } from './inbox-tables.js';
import type { Queryable } from './queryable.js';

/** Taken for $1, the table of keys, and $2, the number of the stream: every batch of that inbox shares this lock. */
export const LOCK_BATCHES = `SELECT pg_advisory_xact_lock(hashtext($1), $2::integer)`;

/**
 * Rows of an inbox change their number, and their counts go with them.
 *
 * @param which the condition on `seq`, by $3 and what follows
 * @returns a statement; $1 is the number that the rows have, $2 the one that they get
 */
export function moveRows(tables: InboxTableNames, which: string): string {
  const range = `WHERE stream_id = $1 AND ${which}`;
  return `
WITH stored AS (UPDATE ${tables.key} SET stream_id = $2 ${range} RETURNING topic),
repeated AS (UPDATE ${tables.duplicate} SET stream_id = $2 ${range} RETURNING topic, conflict),
dead AS (UPDATE ${tables.dead_letter} SET stream_id = $2 ${range} RETURNING topic),
moved AS (
  SELECT topic, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts, sum(dead) AS dead
  FROM (
    SELECT topic, 1 AS stored, 0 AS duplicates, 0 AS conflicts, 0 AS dead FROM stored
    UNION ALL SELECT topic, 0, 1, conflict::integer, 0 FROM repeated
    UNION ALL SELECT topic, 0, 0, 0, 1 FROM dead
  ) each GROUP BY topic
)
INSERT INTO ${tables.counter} AS counter
  (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT side.stream_id, topic, 0, side.sign * stored, side.sign * duplicates, side.sign * conflicts, side.sign * dead, 0
FROM moved CROSS JOIN (VALUES ($1::integer, -1), ($2::integer, 1)) AS side (stream_id, sign)
ORDER BY 1, 2
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET
  stored = counter.stored + excluded.stored,
  duplicates = counter.duplicates + excluded.duplicates,
  conflicts = counter.conflicts + excluded.conflicts,
  dead_letters = counter.dead_letters + excluded.dead_letters`;
}

/** Duplicates name the first of their id, wherever it is now. $1 is the number that it has. */
export function followFirsts(tables: InboxTableNames): string {
  return `
UPDATE ${tables.duplicate} repeat SET first_stream_id = $1
FROM ${tables.key} key
WHERE key.stream_id = $1
  AND repeat.topic = key.topic AND repeat.event_id = key.event_id AND repeat.first_stream_id <> $1`;
}

/** Commits what the work did, or nothing of it. */
export async function inTransaction<T>(pool: Pool, work: (database: Queryable) => Promise<T>): Promise<T> {
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
