/** The topics that have counters. */
import { type Queryable, textColumn } from '#postgres';

// Each topic costs one index lookup, whatever its counts are.
const KNOWN = `
WITH RECURSIVE known (stream_id, topic) AS (
  SELECT stream_id, (
    SELECT topic FROM sekali.counter WHERE counter.stream_id = stream.stream_id ORDER BY topic LIMIT 1
  ) FROM sekali.stream
  UNION ALL
  SELECT stream_id, (
    SELECT topic FROM sekali.counter
    WHERE counter.stream_id = known.stream_id AND topic > known.topic ORDER BY topic LIMIT 1
  ) FROM known WHERE topic IS NOT NULL
)`;

const KNOWN_TOPICS = `${KNOWN}
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

const COUNT = `${KNOWN}
SELECT count(DISTINCT topic)::integer AS count FROM known`;

/** The number of topics that have counters. Counting 100,000 takes a third of a second. */
export async function countTopics(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ count: number }>(COUNT, []);
  return rows[0]?.count ?? 0;
}

// Each topic is looked up by itself, under each incarnation of the stream.
const KNOWN_AMONG = `
SELECT input.topic FROM unnest($1::text[]) AS input (topic)
WHERE (
  SELECT true FROM sekali.stream CROSS JOIN LATERAL (
    SELECT FROM sekali.counter WHERE counter.stream_id = stream.stream_id AND counter.topic = input.topic LIMIT 1
  ) counted LIMIT 1
)`;

/** The topics among some that have counters, in no order. */
export async function topicsKnownAmong(database: Queryable, topics: readonly string[]): Promise<string[]> {
  const { rows } = await database.query<{ topic: string }>(KNOWN_AMONG, [textColumn(topics)]);
  return rows.map((row) => row.topic);
}
