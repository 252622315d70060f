/**
 * The figures of the whole system, summed from counters. Their cost grows with the topics, not with the events.
 *
 * Topics are listed in the order of their names. The sums come with the first page of topics, and the others follow
 * page by page.
 */
import type { Queryable } from '#postgres';

/** The figures of one topic, or of all topics. */
export interface Totals {
  readonly stored: number;
  /** Duplicates that the store found, conflicts included. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  readonly redelivered: number;
  /** Duplicates that the brokers dropped, as they reported it to a gateway. */
  readonly brokerDuplicates: number;
}

/** The figures of one topic, over all incarnations of the stream. */
export interface TopicTotals extends Totals {
  readonly topic: string;
}

/** A page of topics in the order of their names. */
export interface TopicPage {
  readonly topics: readonly TopicTotals[];
  /** Whether other topics follow. */
  readonly isCut: boolean;
}

/** The newest incarnation under one identity of the stream, as the database knows it. */
export interface SettledStream {
  readonly streamId: number;
  /** The time of its registration, in milliseconds since 1970. */
  readonly registeredMs: number;
  /** The number of settled sequences. */
  readonly settled: number;
  /** The highest settled sequence. */
  readonly lastSeq: number;
}

/** Figures that were all read at the same moment. */
export interface StoreTotals extends TopicPage {
  readonly all: Totals;
  /** For how many days ids are kept at least; `undefined` is for ever. */
  readonly idsKeptDays: number | undefined;
  /** One entry for each identity of the requested stream. */
  readonly settledByIdentity: ReadonlyMap<string, SettledStream>;
}

/** The page of topics to list, and a gateway to leave out. */
export interface TotalsOptions {
  /** Topics that are listed, at most. The default is 1,000. */
  readonly topicsMax?: number;
  /** A gateway whose duplicates are left out. A gateway knows its own better: see `BrokerDuplicates.own`. */
  readonly withoutGateway?: string | undefined;
}

const TOPICS_LISTED_MAX = 1_000;
const NO_GATEWAY = '00000000-0000-0000-0000-000000000000';

interface FigureRow {
  /** Of `age`, `stored` is for how many days ids are kept. */
  readonly kind: 'all' | 'topic' | 'last' | 'age';
  /** An identity of the requested stream; null for other streams, older incarnations and what gateways counted. */
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
  /** The number of sequences that are settled under the incarnation on which this one is based. */
  readonly base: number | null;
  readonly registered_ms: number | null;
}

const SUMS = `sum(stored)::float8 AS stored, sum(duplicates)::float8 AS duplicates, sum(conflicts)::float8 AS conflicts,
  sum(dead_letters)::float8 AS dead_letters, sum(redelivered)::float8 AS redelivered, sum(broker)::float8 AS broker`;

const NO_STREAM = `NULL::float8 AS last, NULL::integer AS stream_id, NULL::float8 AS base, NULL::float8 AS registered_ms`;

// One statement has one snapshot, so no event counts as settled in one part and as in flight in another.
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
FROM newest stream
UNION ALL
SELECT 'age', NULL, NULL, days, 0, 0, 0, 0, 0, ${NO_STREAM} FROM sekali.retention_age WHERE kind = 'id'`;

// Of each incarnation, it reads as many index entries as $2 topics can have. Every topic has up to 16 shards.
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
 * Reads the sums over all topics, and the first page of topics.
 *
 * @param stream the name of the stream whose settled sequences are returned
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
  const idsKeptDays = rows.find(({ kind }) => kind === 'age')?.stored;
  return { all, idsKeptDays, settledByIdentity, ...pageOf(rows, topicsMax) };
}

/**
 * Reads the figures of the topics that follow a topic, without reading the others.
 *
 * @param after a topic, or an empty text for the first page
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
  // A UNION does not preserve the order.
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
 * Adds the duplicates that a gateway has counted itself to a page that leaves them out.
 *
 * @param own the duplicates of each topic
 * @param after the topic after which the page begins; own topics up to its end belong to the page
 * @returns the page, again with `topicsMax` topics at most
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
