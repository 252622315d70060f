/**
 * The events of some topics in the order of the stream, without a look at those of other topics.
 *
 * Each topic is walked along its own part of an index, and the walks are merged. So a place where a walk ends is
 * always that of an event of one of these topics, and says nothing of the others.
 */
import type { Queryable } from '#postgres';
import type { EventPosition } from './event-queries.js';

/** Topics below the prefixes of one question, at most. */
export const TOPICS_BELOW_MAX = 10_000;
/** Index entries that one walk may read over all topics, about. */
const ENTRIES_MAX = 50_000;
/** Of each topic so many entries at least, or a walk over many topics would not get on. */
const ENTRIES_OF_TOPIC_MIN = 50;
const BELOW = '.>';

/** A question about more topics than can be walked at a time. */
export class TooManyTopicsError extends Error {
  override readonly name = 'TooManyTopicsError';
}

// Keys outlive payloads, so every topic that has events is among them. One look at the index for each topic.
const TOPICS_BELOW = `
WITH RECURSIVE below (topic, until) AS (
  SELECT (SELECT topic FROM sekali.event_key WHERE topic > since AND topic < until ORDER BY topic LIMIT 1), until
  FROM unnest($1::text[], $2::text[]) AS asked (since, until)
  UNION ALL
  SELECT (SELECT topic FROM sekali.event_key WHERE topic > below.topic AND topic < below.until ORDER BY topic LIMIT 1), until
  FROM below WHERE below.topic IS NOT NULL
)
SELECT DISTINCT topic FROM below WHERE topic IS NOT NULL LIMIT $3`;

/** The end is where every topic was walked: a topic with more entries than were read ends it for all. */
const WALK_END = `
WITH walked AS MATERIALIZED (
  SELECT asked.topic, entry.seq
  FROM unnest($3::text[]) AS asked (topic)
  CROSS JOIN LATERAL (
    SELECT seq FROM sekali.event
    WHERE topic = asked.topic AND stream_id = $1 AND seq > $2
    ORDER BY seq LIMIT $4
  ) entry
)
SELECT least(
  (SELECT min(last) FROM (SELECT max(seq) AS last FROM walked GROUP BY topic HAVING count(*) = $4) unfinished),
  (SELECT seq FROM walked ORDER BY seq OFFSET $5 - 1 LIMIT 1)
)::float8 AS seq`;

/**
 * The topics that patterns name, with those below a prefix found in the database.
 *
 * @param patterns topics, and prefixes that end in `.>`
 * @throws TooManyTopicsError when there are more than `TOPICS_BELOW_MAX` below the prefixes
 */
export async function topicsOf(database: Queryable, patterns: readonly string[]): Promise<string[]> {
  const topics = new Set(patterns.filter((pattern) => !pattern.endsWith(BELOW)));
  const prefixes = patterns.filter((pattern) => pattern.endsWith(BELOW)).map((text) => text.slice(0, -1));
  if (prefixes.length > 0) {
    const { rows } = await database.query<{ topic: string }>(TOPICS_BELOW, [
      prefixes,
      // The character after the dot: what begins with the prefix is before it.
      prefixes.map((prefix) => `${prefix.slice(0, -1)}/`),
      TOPICS_BELOW_MAX + 1,
    ]);
    if (rows.length > TOPICS_BELOW_MAX) {
      throw new TooManyTopicsError(`more than ${TOPICS_BELOW_MAX} topics are below ${prefixes.join(', ')}`);
    }
    for (const { topic } of rows) topics.add(topic);
  }
  return [...topics];
}

/**
 * Where a walk over the events of topics ends.
 *
 * @param topics at least one
 * @param eventsMax events that are walked, at most
 * @returns the sequence of the last one, which is less far where there are many topics; `undefined` when the walk
 *   comes to the end of all of them
 */
export async function topicWalkEnd(
  database: Queryable,
  topics: readonly string[],
  after: EventPosition,
  eventsMax: number,
): Promise<number | undefined> {
  const share = Math.max(ENTRIES_OF_TOPIC_MIN, Math.ceil(ENTRIES_MAX / topics.length));
  const { rows } = await database.query<{ seq: number | null }>(WALK_END, [
    after.streamId,
    after.seq,
    topics,
    Math.min(eventsMax, share),
    eventsMax,
  ]);
  return rows[0]?.seq ?? undefined;
}
