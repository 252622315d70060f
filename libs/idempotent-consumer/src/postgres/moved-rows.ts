import type { InboxTables } from './inbox-tables.js';

/** Locks one inbox. $1 is its key table and $2 the stream id; every batch of the inbox shares this lock. */
export const LOCK_BATCHES = `SELECT pg_advisory_xact_lock(hashtext($1), $2::integer)`;

/**
 * Moves rows of an inbox to another stream id, including their counts, while no batch is decided.
 *
 * @param which the condition on `seq`, with $3 and later parameters
 * @returns a statement; $1 is the old stream id of the rows, and $2 the new one
 */
export function moveRows(tables: InboxTables, which: string): string {
  const range = `WHERE stream_id = $1 AND ${which}`;
  return `
WITH stored AS (UPDATE ${tables.key} SET stream_id = $2 ${range} RETURNING topic),
repeated AS (UPDATE ${tables.duplicate} SET stream_id = $2 ${range} RETURNING topic, conflict),
dead AS (UPDATE ${tables.deadLetter} SET stream_id = $2 ${range} RETURNING topic),
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

/**
 * Has duplicates refer to the first message of their id, after it moved to the stream id $1. Its sequence stays. An id that
 * was forgotten has a new first message, and older duplicates still refer to the one before.
 */
export function followFirsts(tables: InboxTables): string {
  return `
UPDATE ${tables.duplicate} repeat SET first_stream_id = $1
FROM ${tables.key} key
WHERE key.stream_id = $1
  AND repeat.topic = key.topic AND repeat.event_id = key.event_id
  AND repeat.first_seq = key.seq AND repeat.first_stream_id <> $1`;
}
