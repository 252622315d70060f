/**
 * The figures of the whole system, summed from counters: the price grows with the topics, not with the events.
 *
 * Topics are listed some at a time, in the order of their names: the first ones with the sums, the others page by page.
 */
import type { Queryable } from '#postgres';

/** The figures of one topic, or of all. */
export interface Totals {
  readonly stored: number;
  /** Found by the store, conflicts included. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  readonly redelivered: number;
  /** Dropped by the brokers and told to a gateway. */
  readonly brokerDuplicates: number;
}

/** The figures of one topic, over all incarnations of the stream. */
export interface TopicTotals extends Totals {
  readonly topic: string;
}

/** Topics in the order of their names. */
export interface TopicPage {
  readonly topics: readonly TopicTotals[];
  /** Whether others follow. */
  readonly isCut: boolean;
}

/** What the database knows of the newest incarnation under one identity of the stream. */
export interface SettledStream {
  readonly streamId: number;
  /** When it was registered, in milliseconds since 1970. */
  readonly registeredMs: number;
  /** Sequences that are settled. */
  readonly settled: number;
  /** The highest of them. */
  readonly lastSeq: number;
}

/** Figures that belong together: all were read at one moment. */
export interface StoreTotals extends TopicPage {
  readonly all: Totals;
  /** For each identity of the asked stream. */
  readonly settledByIdentity: ReadonlyMap<string, SettledStream>;
}

/** What is asked for beside. */
export interface TotalsOptions {
  /** Topics that are listed, at most. Default 1,000. */
  readonly topicsMax?: number;
  /** A gateway whose duplicates are left out: its own, which it knows better (see `BrokerDuplicates.own`). */
  readonly withoutGateway?: string | undefined;
}

const TOPICS_LISTED_MAX = 1_000;
const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';

interface FigureRow {
  readonly kind: 'all' | 'topic' | 'last';
  /** An identity of the asked stream; null for others, for older incarnations and for what gateways counted. */
  readonly identity: string | null;
  readonly topic: string | null;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
  readonly redelivered: number;
  readonly broker: number;
  readonly last: number | null;
  readonly stream_id: number | null;
  /** Sequences that are settled under the incarnation that this one is based on. */
  readonly base: number | null;
  readonly registered_ms: number | null;
}

const SUMS = `sum(stored)::float8 AS stored, sum(duplicates)::float8 AS duplicates, sum(conflicts)::float8 AS conflicts,
  sum(dead_letters)::float8 AS dead_letters, sum(redelivered)::float8 AS redelivered, sum(broker)::float8 AS broker`;

const NO_STREAM = `NULL::float8 AS last, NULL::integer AS stream_id, NULL::float8 AS base, NULL::float8 AS registered_ms`;

// One statement, so one snapshot: an event is never counted as settled by one half and in flight by the other.
const FIGURES = `
WITH newest AS MATERIALIZED (
  SELECT DISTINCT ON (identity) * FROM sekali.stream WHERE name = $1 ORDER BY identity, revision DESC
), figure AS MATERIALIZED (
  SELECT newest.identity, counter.topic,
    sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,
    sum(dead_letters) AS dead_letters, sum(redelivered) AS redelivered, 0 AS broker
  FROM sekali.counter
  LEFT JOIN newest USING (stream_id)
  GROUP BY newest.identity, counter.topic
  UNION ALL
  SELECT NULL, topic, 0, 0, 0, 0, 0, sum(dropped)
  FROM sekali.broker_duplicate
  WHERE gateway <> $2
  GROUP BY topic
)
SELECT 'all' AS kind, identity, NULL AS topic, ${SUMS}, ${NO_STREAM} FROM figure GROUP BY identity
UNION ALL
SELECT * FROM (
  SELECT 'topic', NULL, topic, ${SUMS}, ${NO_STREAM} FROM figure GROUP BY topic ORDER BY topic LIMIT $3
) listed
UNION ALL
SELECT 'last', identity, NULL, 0, 0, 0, 0, 0, 0, greatest(
  base_seq,
  (SELECT max(seq) FROM sekali.event_key WHERE event_key.stream_id = stream.stream_id),
  (SELECT max(seq) FROM sekali.duplicate WHERE duplicate.stream_id = stream.stream_id),
  (SELECT max(seq) FROM sekali.dead_letter WHERE dead_letter.stream_id = stream.stream_id)
)::float8, stream_id, base_seq::float8, (1000 * extract(epoch FROM seen_at))::float8
FROM newest stream`;

// Of each incarnation of a stream as much of its index as can hold so many topics; every topic has up to 16 shards.
const TOPICS_AFTER = `
WITH RECURSIVE dropped (topic, step) AS (
  SELECT (SELECT topic FROM sekali.broker_duplicate WHERE topic > $1 ORDER BY topic LIMIT 1), 1
  UNION ALL
  SELECT (SELECT topic FROM sekali.broker_duplicate WHERE topic > dropped.topic ORDER BY topic LIMIT 1), step + 1
  FROM dropped WHERE topic IS NOT NULL AND step < $2
), listed AS MATERIALIZED (
  SELECT topic FROM dropped WHERE topic IS NOT NULL
  UNION
  SELECT near.topic FROM sekali.stream CROSS JOIN LATERAL (
    SELECT topic FROM sekali.counter
    WHERE counter.stream_id = stream.stream_id AND topic > $1
    ORDER BY topic, shard LIMIT 16 * $2
  ) near
  ORDER BY 1 LIMIT $2
)
SELECT 'topic' AS kind, NULL AS identity, topic, ${SUMS}, ${NO_STREAM}
FROM listed CROSS JOIN LATERAL (
  SELECT stored, duplicates, conflicts, dead_letters, redelivered, 0 AS broker
  FROM sekali.stream JOIN sekali.counter USING (stream_id) WHERE counter.topic = listed.topic
  UNION ALL
  SELECT 0, 0, 0, 0, 0, dropped FROM sekali.broker_duplicate
  WHERE broker_duplicate.topic = listed.topic AND gateway <> $3
) own
GROUP BY topic ORDER BY topic`;

/**
 * Reads all figures.
 *
 * @param stream name of the stream whose settled sequences are wanted
 */
export async function storeTotals(
  database: Queryable,
  stream: string,
  { topicsMax = TOPICS_LISTED_MAX, withoutGateway = NO_GATEWAY }: TotalsOptions = {},
): Promise<StoreTotals> {
  const { rows } = await database.query<FigureRow>(FIGURES, [stream, withoutGateway, topicsMax + 1]);
  let all: Totals = NOTHING;
  const settledByIdentity = new Map<string, SettledStream>();
  for (const row of rows) {
    if (row.kind === 'all') all = sumOf(all, totalsOf(row));
    if (row.identity === null) continue;
    const known = settledByIdentity.get(row.identity);
    settledByIdentity.set(row.identity, {
      streamId: row.stream_id ?? known?.streamId ?? 0,
      registeredMs: row.registered_ms ?? known?.registeredMs ?? 0,
      settled: (known?.settled ?? 0) + (row.base ?? 0) + row.stored + row.duplicates + row.dead_letters,
      lastSeq: Math.max(known?.lastSeq ?? 0, row.last ?? 0),
    });
  }
  return { all, settledByIdentity, ...pageOf(rows, topicsMax) };
}

/**
 * Reads the figures of the topics after one, without a look at the others.
 *
 * @param after a topic, or empty for the first ones
 */
export async function topicTotals(
  database: Queryable,
  after: string,
  { topicsMax = TOPICS_LISTED_MAX, withoutGateway = NO_GATEWAY }: TotalsOptions = {},
): Promise<TopicPage> {
  const { rows } = await database.query<FigureRow>(TOPICS_AFTER, [after, topicsMax + 1, withoutGateway]);
  return pageOf(rows, topicsMax);
}

const NOTHING: Totals = {
  stored: 0,
  duplicates: 0,
  conflicts: 0,
  deadLetters: 0,
  redelivered: 0,
  brokerDuplicates: 0,
};

function pageOf(rows: readonly FigureRow[], topicsMax: number): TopicPage {
  const topics = rows.flatMap((row) =>
    row.kind === 'topic' && row.topic !== null ? [{ topic: row.topic, ...totalsOf(row) }] : [],
  );
  // A UNION keeps no order by itself.
  topics.sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return { topics: topics.slice(0, topicsMax), isCut: topics.length > topicsMax };
}

function totalsOf(row: FigureRow): Totals {
  return {
    stored: row.stored,
    duplicates: row.duplicates,
    conflicts: row.conflicts,
    deadLetters: row.dead_letters,
    redelivered: row.redelivered,
    brokerDuplicates: row.broker,
  };
}

function sumOf(a: Totals, b: Totals): Totals {
  return {
    stored: a.stored + b.stored,
    duplicates: a.duplicates + b.duplicates,
    conflicts: a.conflicts + b.conflicts,
    deadLetters: a.deadLetters + b.deadLetters,
    redelivered: a.redelivered + b.redelivered,
    brokerDuplicates: a.brokerDuplicates + b.brokerDuplicates,
  };
}

/**
 * The figures of topics with those a gateway counted itself, which the figures leave out.
 *
 * @param after where the page begins; the own topics on it are those between there and its end
 */
export function withOwnDuplicates(
  { topics, isCut }: TopicPage,
  own: ReadonlyMap<string, number>,
  after: string,
  topicsMax: number,
): TopicPage {
  if (own.size === 0) return { topics, isCut };
  const merged = new Map<string, TopicTotals>(topics.map((topic) => [topic.topic, topic]));
  const end = isCut ? topics.at(-1)?.topic : undefined;
  for (const [topic, dropped] of own) {
    if (topic <= after || (end !== undefined && topic > end)) continue;
    const known = merged.get(topic) ?? { topic, ...NOTHING };
    merged.set(topic, { ...known, brokerDuplicates: known.brokerDuplicates + dropped });
  }
  const sorted = [...merged.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return { topics: sorted.slice(0, topicsMax), isCut: isCut || sorted.length > topicsMax };
}
