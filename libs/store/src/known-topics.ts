/** The topics that have counters. */
import type { Queryable } from '#postgres';

// Each topic costs one index lookup, whatever its counts are.
const KNOWN_TOPICS = `
WITH RECURSIVE known (stream_id, topic) AS (
  SELECT stream_id, (
    SELECT topic FROM sekali.counter WHERE counter.stream_id = stream.stream_id ORDER BY topic LIMIT 1
  ) FROM sekali.stream
  UNION ALL
  SELECT stream_id, (
    SELECT topic FROM sekali.counter
    WHERE counter.stream_id = known.stream_id AND topic > known.topic ORDER BY topic LIMIT 1
  ) FROM known WHERE topic IS NOT NULL
)
SELECT DISTINCT topic FROM known WHERE topic IS NOT NULL LIMIT $1`;

/**
 * Reads the topics that have counters, in no order.
 *
 * @param topicsMax the number of topics to read, at most
 */
export async function knownTopics(database: Queryable, topicsMax: number): Promise<string[]> {
  const { rows } = await database.query<{ topic: string }>(KNOWN_TOPICS, [topicsMax]);
  return rows.map((row) => row.topic);
}
