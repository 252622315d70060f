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
  /** For each making of the asked stream, by its instant: how many of its sequences are settled. */
  readonly settledByCreated: ReadonlyMap<string, number>;
}

interface FigureRow {
  /** The instant of a making of the asked stream; null for other streams and for what gateways counted. */
  readonly created: string | null;
  readonly topic: string;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
  readonly redelivered: number;
  readonly broker: number;
}

// One statement, so one snapshot: an event is never counted as settled by one half and in flight by the other.
const FIGURES = `
SELECT CASE WHEN stream.name = $1 THEN stream.created END AS created, counter.topic,
  sum(stored)::float8 AS stored, sum(duplicates)::float8 AS duplicates, sum(conflicts)::float8 AS conflicts,
  sum(dead_letters)::float8 AS dead_letters, sum(redelivered)::float8 AS redelivered, 0::float8 AS broker
FROM sekali.counter
LEFT JOIN sekali.stream USING (stream_id)
GROUP BY stream.name, stream.created, counter.topic
UNION ALL
SELECT NULL, topic, 0, 0, 0, 0, 0, sum(dropped)::float8
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
  const settledByCreated = new Map<string, number>();
  for (const row of rows) {
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
    if (row.created === null) continue;
    const settled = row.stored + row.duplicates + row.dead_letters;
    settledByCreated.set(row.created, (settledByCreated.get(row.created) ?? 0) + settled);
  }
  const byName = [...topics.values()].sort((a, b) => (a.topic < b.topic ? -1 : 1));
  return { topics: byName, settledByCreated };
}
