/**
 * Walks over the events of some topics in the order of the stream, without reading those of other topics.
 *
 * Each topic is walked along its own part of an index, and the walks are merged. So the place where a walk ends is
 * always that of an event of one of these topics, and reveals nothing about the others.
 */
import { coversTopic, isTopicPattern, matchesTopic, topicPatternPrefix } from '#contracts';
import type { Queryable } from '#postgres';
import type { EventFilter } from './event-filter.js';
import type { EventPosition } from './event-queries.js';

/** Topics below the prefixes of one query, at most. */
export const TOPICS_BELOW_MAX = 10_000;
/** The approximate number of index entries that one walk may read over all topics. */
const ENTRIES_MAX = 50_000;
/** A walk reads at least this many entries of each topic. Otherwise one over many topics would make no progress. */
const ENTRIES_OF_TOPIC_MIN = 50;

/** No character of a topic is behind the tilde. */
const AFTER_ALL_TOPICS = '~';

/** A query names more topics than can be walked at a time. */
export class TooManyTopicsError extends Error {
  override readonly name = 'TooManyTopicsError';
}

/** Keys outlive payloads, so every topic that has events has keys. */
const KEYS = 'sekali.event_key';

/** All topics of a pattern with a wildcard are between these two, and so may others be. */
export function topicRange(pattern: string): { readonly since: string; readonly until: string } {
  const since = topicPatternPrefix(pattern);
  // The slash is the character after the dot, so every text with the prefix is before it.
  return { since, until: since === '' ? AFTER_ALL_TOPICS : `${since.slice(0, -1)}/` };
}

/** Each topic costs one index lookup. The table needs an index that begins with the topic. */
const topicsBelow = (table: string): string => `
WITH RECURSIVE below (topic, until) AS (
  SELECT (SELECT topic FROM ${table} WHERE topic > since AND topic < until ORDER BY topic LIMIT 1), until
  FROM unnest($1::text[], $2::text[]) AS asked (since, until)
  UNION ALL
  SELECT (SELECT topic FROM ${table} WHERE topic > below.topic AND topic < below.until ORDER BY topic LIMIT 1), until
  FROM below WHERE below.topic IS NOT NULL
)
SELECT DISTINCT topic FROM below WHERE topic IS NOT NULL LIMIT $3`;

/** The walk ends where every topic was walked. A topic with more entries than were read ends it for all. */
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
 * Returns the topics that patterns name. The database has those that match one with a wildcard.
 *
 * @param patterns topics and patterns, see `matchesTopic`
 * @param table the table with the topics, if they are not those of the stored events
 * @throws TooManyTopicsError when there are more than `TOPICS_BELOW_MAX` below what precedes the wildcards
 */
export async function topicsOf(
  database: Queryable,
  patterns: readonly string[],
  table = KEYS,
): Promise<string[]> {
  const topics = new Set(patterns.filter((pattern) => !isTopicPattern(pattern)));
  const open = patterns.filter(isTopicPattern);
  if (open.length > 0) {
    const ranges = open.map(topicRange);
    const { rows } = await database.query<{ topic: string }>(topicsBelow(table), [
      ranges.map(({ since }) => since),
      ranges.map(({ until }) => until),
      TOPICS_BELOW_MAX + 1,
    ]);
    if (rows.length > TOPICS_BELOW_MAX) {
      const prefixes = ranges.map(({ since }) => since).join(', ');
      throw new TooManyTopicsError(`more than ${TOPICS_BELOW_MAX} topics are below ${prefixes}`);
    }
    for (const { topic } of rows) if (open.some((pattern) => matchesTopic(pattern, topic))) topics.add(topic);
  }
  return [...topics];
}

/**
 * Returns the topics that a filter names; `undefined` means all.
 *
 * @throws TooManyTopicsError when its patterns name too many
 */
export async function topicsAsked(
  database: Queryable,
  { topic, topics }: Pick<EventFilter, 'topic' | 'topics'>,
): Promise<readonly string[] | undefined> {
  if (topic === undefined) return topics && topicsOf(database, topics);
  const named = isTopicPattern(topic) ? await topicsOf(database, [topic]) : [topic];
  return topics === undefined ? named : named.filter((one) => coversTopic(topics, one));
}

/**
 * Determines where a walk over the events of topics ends.
 *
 * @param topics at least one topic
 * @param eventsMax the number of events that are walked, at most; it is lower for many topics
 * @returns the sequence of the last event; `undefined` when the walk reaches the end of all topics
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
