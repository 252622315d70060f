/** The topics of which something is counted. */
import type { Queryable } from '#postgres';

// One look at the index for each topic, whatever is counted under it.
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

/** Reads them in no order. @param topicsMax as many as are read, at most */
export async function knownTopics(database: Queryable, topicsMax: number): Promise<string[]> {
  const { rows } = await database.query<{ topic: string }>(KNOWN_TOPICS, [topicsMax]);
  return rows.map((row) => row.topic);
}
