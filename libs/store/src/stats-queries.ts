/** The figures of the whole system, summed from counters: the price grows with the topics, not with the events. */
import type { Queryable } from './queryable.js';

/** The figures of one topic. */
export interface TopicTotals {
  readonly topic: string;
  readonly stored: number;
  /** Found by the store, conflicts included. */
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  readonly redelivered: number;
  /** Dropped by the brokers and told to a gateway. */
  readonly brokerDuplicates: number;
}

/** Figures that belong together: all were read at one moment. */
export interface StoreTotals {
  /** By topic, over all makings of the stream, in the order of their names. */
  readonly topics: readonly TopicTotals[];
  /** For each identity of the asked stream: how many sequences of its newest incarnation are settled. */
  readonly settledByIdentity: ReadonlyMap<string, number>;
}

interface FigureRow {
  /** The identity of the asked stream; null for others, for older incarnations and for what gateways counted. */
  readonly identity: string | null;
  /** So many sequences before its own rows are settled under the incarnation that it is based on. */
  readonly base: number;
  /** null where a stream has no counters yet. */
  readonly topic: string | null;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
  readonly redelivered: number;
  readonly broker: number;
}

// One statement, so one snapshot: an event is never counted as settled by one half and in flight by the other.
const FIGURES = `
SELECT CASE WHEN stream.name = $1 AND stream.is_newest THEN stream.identity END AS identity,
  coalesce(stream.base_seq, 0)::float8 AS base, counter.topic,
  coalesce(sum(stored), 0)::float8 AS stored, coalesce(sum(duplicates), 0)::float8 AS duplicates,
  coalesce(sum(conflicts), 0)::float8 AS conflicts, coalesce(sum(dead_letters), 0)::float8 AS dead_letters,
  coalesce(sum(redelivered), 0)::float8 AS redelivered, 0::float8 AS broker
FROM sekali.counter
FULL JOIN (
  SELECT *, revision = max(revision) OVER (PARTITION BY name, identity) AS is_newest FROM sekali.stream
) stream USING (stream_id)
GROUP BY stream.name, stream.identity, stream.is_newest, stream.base_seq, counter.topic
UNION ALL
SELECT NULL, 0, topic, 0, 0, 0, 0, 0, sum(dropped)::float8
FROM sekali.broker_duplicate
GROUP BY topic`;

/**
 * Reads all figures.
 *
 * @param stream name of the stream whose settled sequences are wanted
 */
export async function storeTotals(database: Queryable, stream: string): Promise<StoreTotals> {
  const { rows } = await database.query<FigureRow>(FIGURES, [stream]);
  const topics = new Map<string, TopicTotals>();
  const settledByIdentity = new Map<string, number>();
  for (const row of rows) {
    if (row.identity !== null) {
      const before = settledByIdentity.get(row.identity) ?? row.base;
      settledByIdentity.set(row.identity, before + row.stored + row.duplicates + row.dead_letters);
    }
    if (row.topic === null) continue;
    const sum = topics.get(row.topic);
    topics.set(row.topic, {
      topic: row.topic,
      stored: (sum?.stored ?? 0) + row.stored,
      duplicates: (sum?.duplicates ?? 0) + row.duplicates,
      conflicts: (sum?.conflicts ?? 0) + row.conflicts,
      deadLetters: (sum?.deadLetters ?? 0) + row.dead_letters,
      redelivered: (sum?.redelivered ?? 0) + row.redelivered,
      brokerDuplicates: (sum?.brokerDuplicates ?? 0) + row.broker,
    });
  }
  const byName = [...topics.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return { topics: byName, settledByIdentity };
}
