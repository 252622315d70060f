/** When topics had their last message, and which sources repeat most: both from what is kept anyway, at a bounded cost. */
import type { Queryable } from '#postgres';
import { SECONDS_OF } from './histogram.js';

/** The span of time in which the last message of a topic was settled. Counts are kept in longer spans with age. */
export interface LastSettled {
  /** In seconds since 1970. */
  readonly start: number;
  readonly seconds: number;
}

/** How often the events of a source were sent again to a topic. */
export interface RepeatingSource {
  readonly topic: string;
  /** Of the first event; `null` where it was dropped by age. */
  readonly source: string | null;
  /** Includes conflicts. */
  readonly repeats: number;
  readonly conflicts: number;
  readonly lastAt: Date;
}

/** What repeats most among the newest repeats. */
export interface RepeatingSources {
  /** Repeats that were inspected. */
  readonly inspected: number;
  /** When the oldest of them was recorded. */
  readonly since: Date | undefined;
  /** The most frequent first. */
  readonly sources: readonly RepeatingSource[];
}

/** Four entries of an index are read for each topic. */
const LAST_SETTLED = `
SELECT topic, kind, extract(epoch FROM beginning)::float8 AS start
FROM unnest($1::text[]) AS listed (topic) CROSS JOIN LATERAL (
  SELECT kind, beginning
  FROM (VALUES ('open'), ('minute'), ('hour'), ('day')) AS length (kind) CROSS JOIN LATERAL (
    SELECT beginning FROM sekali.histogram bucket
    WHERE bucket.topic = listed.topic AND bucket.kind = length.kind
    ORDER BY beginning DESC LIMIT 1
  ) newest
  ORDER BY beginning DESC LIMIT 1
) last`;

// The limits keep the planner from reading whole tables of events and keys for some repeats.
const REPEATING = `
WITH newest AS MATERIALIZED (
  SELECT topic, event_id, conflict, recorded_at FROM sekali.duplicate ORDER BY stream_id DESC, seq DESC LIMIT $1
), grouped AS (
  SELECT newest.topic, stored.source, count(*)::integer AS repeats,
    (count(*) FILTER (WHERE conflict))::integer AS conflicts, max(recorded_at) AS "lastAt"
  FROM newest
  LEFT JOIN LATERAL (
    SELECT stream_id, seq, stored_at FROM sekali.event_key key
    WHERE key.topic = newest.topic AND key.event_id = newest.event_id LIMIT 1
  ) first ON true
  LEFT JOIN LATERAL (
    SELECT source FROM sekali.event
    WHERE event.stream_id = first.stream_id AND event.seq = first.seq AND event.stored_at = first.stored_at LIMIT 1
  ) stored ON true
  GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT $2
)
SELECT (SELECT count(*)::integer FROM newest) AS inspected, (SELECT min(recorded_at) FROM newest) AS since, grouped.*
FROM grouped ORDER BY repeats DESC, topic, source`;

/** Returns when the last message of each topic was settled. A topic without any is left out. */
export async function lastSettled(
  database: Queryable,
  topics: readonly string[],
): Promise<ReadonlyMap<string, LastSettled>> {
  const { rows } = await database.query<{ topic: string; kind: string; start: number }>(LAST_SETTLED, [
    topics,
  ]);
  return new Map(rows.map(({ topic, kind, start }) => [topic, { start, seconds: SECONDS_OF[kind] ?? 60 }]));
}

/**
 * Counts the newest repeats that the store dropped, by topic and source.
 *
 * @param repeatsMax the repeats that are inspected
 * @param sourcesMax the sources that are returned
 */
export async function repeatingSources(
  database: Queryable,
  repeatsMax: number,
  sourcesMax: number,
): Promise<RepeatingSources> {
  const { rows } = await database.query<RepeatingSource & { inspected: number; since: Date }>(REPEATING, [
    repeatsMax,
    sourcesMax,
  ]);
  return {
    inspected: rows[0]?.inspected ?? 0,
    since: rows[0]?.since,
    sources: rows.map(({ topic, source, repeats, conflicts, lastAt }) => ({
      ...{ topic, source, repeats, conflicts, lastAt },
    })),
  };
}
