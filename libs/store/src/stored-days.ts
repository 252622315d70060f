/**
 * The stored events by topic and by the day, in UTC, on which they were stored.
 *
 * The day of storing is the one that partitions and retention know. A day is closed one hour after its end, since a
 * transaction stores its events under the time at which it began. Nothing comes into a closed day, so what was read of
 * it stays right. The events' own timestamps have no such end: one of last year may come tomorrow.
 *
 * Days come from the bounds of the partitions. Only what lies outside of them, in the default partition, is searched.
 * Topics of a day are found by one index lookup each.
 */
import type { Pool } from 'pg';
import { isTopicPattern, matchesTopic } from '#contracts';
import { readSnapshot, type Queryable } from '#postgres';
import type { StoredEvent } from './event-queries.js';
import { piecesWithout, readPartitions, type Span } from './partitions.js';
import { printedEvents, type TopicSpan } from './printed-events.js';
import { topicRange } from './topic-walk.js';

const DAY_MS = 86_400_000;
/** A day is closed when it has been over for this long. */
const CLOSED_AFTER_MS = 3_600_000;
const EVENTS_PER_PAGE = 10_000;
const PAGE_BYTES_MAX = 8_388_608;

/** A day in UTC. */
export interface StoredDay {
  /** For example `2026-11-22`. */
  readonly day: string;
  /** Whether no event comes into it any more. */
  readonly isClosed: boolean;
}

/** The events of one topic that were stored on one day. */
export interface TopicDay extends StoredDay {
  readonly topic: string;
}

/** Retention waits for the transaction, so a program that was stopped must not keep it for as long as a day takes. */
const BOUND_IDLE = `SET LOCAL idle_in_transaction_session_timeout = '5min'`;

/** A standby has the events of the time up to which it has replayed. */
const NOW = `
SELECT 1000 * extract(epoch FROM CASE WHEN pg_is_in_recovery()
  THEN coalesce(pg_last_xact_replay_timestamp(), 'epoch') ELSE now() END)::float8 AS now_ms`;

const DAYS_IN_DEFAULT = `
SELECT DISTINCT (stored_at AT TIME ZONE 'UTC')::date::text AS day FROM sekali.event
WHERE stored_at >= $1::timestamptz AND stored_at < $2::timestamptz`;

// Each topic costs one index lookup.
const TOPICS = `
WITH RECURSIVE stored (topic) AS (
  SELECT $3::text COLLATE "C"
  UNION ALL
  SELECT (
    SELECT topic FROM sekali.event
    WHERE stored_at >= $1::timestamptz AND stored_at < $2::timestamptz AND topic > stored.topic AND topic < $4
    ORDER BY topic LIMIT 1
  )
  FROM stored WHERE stored.topic IS NOT NULL
)
SELECT topic FROM stored WHERE topic <> $3`;

const OF_TOPIC_DAY = `
FROM sekali.event WHERE topic = $1 AND stored_at >= $2::timestamptz AND stored_at < $3::timestamptz`;
const COUNT = `SELECT count(*)::float8 AS events ${OF_TOPIC_DAY}`;
const NEXT_STREAM = `SELECT stream_id ${OF_TOPIC_DAY} AND stream_id > $4 ORDER BY stream_id LIMIT 1`;

/** Returns the days that may have events, oldest first. */
export async function storedDays(database: Queryable): Promise<StoredDay[]> {
  const { rows } = await database.query<{ now_ms: number }>(NOW);
  const nowMs = rows[0]?.now_ms ?? 0;
  const spans = [...(await readPartitions(database)).values()].filter((span) => span !== undefined);
  const finite = spans.filter(({ sinceMs, untilMs }) => Number.isFinite(sinceMs) && Number.isFinite(untilMs));
  const days = new Set(finite.flatMap(daysIn));
  for (const { sinceMs, untilMs } of piecesWithout({ sinceMs: -Infinity, untilMs: Infinity }, finite)) {
    const gap = [instantOf(sinceMs), instantOf(untilMs)];
    for (const row of (await database.query<{ day: string }>(DAYS_IN_DEFAULT, gap)).rows) days.add(row.day);
  }
  return [...days]
    .sort((a, b) => Date.parse(a) - Date.parse(b))
    .map((day) => ({ day, isClosed: Date.parse(day) + DAY_MS + CLOSED_AFTER_MS <= nowMs }));
}

/**
 * Returns the topics of which events were stored on a day, in their order.
 *
 * @param pattern a topic or a pattern, see `matchesTopic`; the topic itself is returned without asking
 */
export async function topicsStoredOn(database: Queryable, day: string, pattern = '>'): Promise<string[]> {
  if (!isTopicPattern(pattern)) return [pattern];
  const { since, until } = topicRange(pattern);
  const { rows } = await database.query<{ topic: string }>(TOPICS, [...boundsOf(day), since, until]);
  return rows.map(({ topic }) => topic).filter((topic) => matchesTopic(pattern, topic));
}

/** Counts the events of a topic and a day. A million takes about 0.1 s. */
export async function countTopicDay(
  database: Queryable,
  { topic, day }: Pick<TopicDay, 'topic' | 'day'>,
): Promise<number> {
  const { rows } = await database.query<{ events: number }>(COUNT, [topic, ...boundsOf(day)]);
  return rows[0]?.events ?? 0;
}

/**
 * Works with the events of a topic and a day, as they are at one moment. Otherwise what is dropped meanwhile would look
 * as if it had never been.
 *
 * @param work gets them in the order of stream incarnations and sequences, in pages of at most 10,000 events and 8 MiB;
 *   a single event may be larger. Between two pages it may take five minutes
 * @returns what the work resolves to
 * @throws the error of the work or of Postgres
 */
export async function withTopicDay<T>(
  pool: Pool,
  topicDay: Pick<TopicDay, 'topic' | 'day'>,
  work: (pages: AsyncIterable<readonly StoredEvent[]>) => Promise<T>,
): Promise<T> {
  return readSnapshot(pool, async (database) => {
    await database.query(BOUND_IDLE);
    return work(pagesOf(database, topicDay));
  });
}

async function* pagesOf(
  database: Queryable,
  { topic, day }: Pick<TopicDay, 'topic' | 'day'>,
): AsyncGenerator<readonly StoredEvent[]> {
  const [since, until] = boundsOf(day);
  const topicSpan: TopicSpan = { topic, since, until };
  let streamId = -1;
  for (;;) {
    const values = [topic, since, until, streamId];
    const { rows } = await database.query<{ stream_id: number }>(NEXT_STREAM, values);
    if (rows[0] === undefined) return;
    streamId = rows[0].stream_id;
    for (let after = -1, isCut = true; isCut;) {
      const page = await printedEvents(database, {
        ...{ streamId, after, topicSpan, filter: {}, topics: undefined },
        ...{ order: 'oldest', isSorted: false, limit: EVENTS_PER_PAGE, bytesMax: PAGE_BYTES_MAX },
      });
      after = page.events.at(-1)?.seq ?? after;
      isCut = page.isCut;
      if (page.events.length > 0) yield page.events;
    }
  }
}

function boundsOf(day: string): [since: string, until: string] {
  return [`${day}T00:00:00Z`, new Date(Date.parse(day) + DAY_MS).toISOString()];
}

function daysIn({ sinceMs, untilMs }: Span): string[] {
  const days: string[] = [];
  for (let ms = Math.floor(sinceMs / DAY_MS) * DAY_MS; ms < untilMs; ms += DAY_MS) days.push(dayOf(ms));
  return days;
}

function dayOf(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function instantOf(ms: number): string {
  if (Number.isFinite(ms)) return new Date(ms).toISOString();
  return ms < 0 ? '-infinity' : 'infinity';
}
