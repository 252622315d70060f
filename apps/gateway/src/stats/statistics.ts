/**
 * `GET /stats`: what is in the database's counters, and what the stream holds beyond it.
 *
 * The database is read first and the stream after it, so that what was published in between is in flight and
 * nothing is ever settled that was not received.
 */
import { streamIdentity } from '#broker';
import type { StatsView, TopicStats } from '#contracts';
import { storeTotals, type Queryable, type TopicTotals } from '#store';
import type { BrokerLink } from '../broker-link.js';
import { databaseAnswer } from '../database-answer.js';
import { unavailableError } from '../problems/problem-error.js';

const DATABASE_MS_MAX = 3_000;

/** See the head of this file. */
export class Statistics {
  private readonly startedAt = Date.now();

  constructor(
    private readonly database: Queryable,
    private readonly broker: Pick<BrokerLink, 'stream' | 'consumer' | 'publishedAt'>,
    private readonly stream: string,
  ) {}

  /** All figures. Throws a 503 problem when the database or the brokers do not answer. */
  async read(): Promise<StatsView> {
    const { topics, settledByIdentity } = await databaseAnswer(
      DATABASE_MS_MAX,
      storeTotals(this.database, this.stream),
    );
    const { inFlight, lagSeconds } = await this.unsettled(settledByIdentity).catch((error: unknown) => {
      throw unavailableError('broker', error);
    });
    const sum = (figure: (topic: TopicTotals) => number): number =>
      topics.reduce((total, topic) => total + figure(topic), 0);
    const duplicates = {
      broker: sum((topic) => topic.brokerDuplicates),
      store: sum((topic) => topic.duplicates),
    };
    const stored = sum((topic) => topic.stored);
    const deadLetters = sum((topic) => topic.deadLetters);
    const dropped = duplicates.broker + duplicates.store;
    return {
      received: stored + dropped + deadLetters + inFlight,
      unique_processed: stored,
      duplicate_dropped: dropped,
      topics: topics.filter((topic) => topic.stored > 0).map((topic) => topic.topic),
      uptime_seconds: Math.round((Date.now() - this.startedAt) / 100) / 10,
      duplicates,
      conflicts: sum((topic) => topic.conflicts),
      dead_letters: deadLetters,
      in_flight: inFlight,
      redelivered: sum((topic) => topic.redelivered),
      per_topic: Object.fromEntries(topics.map((topic) => [topic.topic, topicStats(topic)])),
      lag_seconds: lagSeconds,
    };
  }

  private async unsettled(
    settledByIdentity: ReadonlyMap<string, number>,
  ): Promise<{ inFlight: number; lagSeconds: number }> {
    const stream = await this.broker.stream();
    if (stream === undefined) return { inFlight: 0, lagSeconds: 0 };
    const inFlight = Math.max(0, stream.state.last_seq - (settledByIdentity.get(streamIdentity(stream)) ?? 0));
    if (inFlight === 0) return { inFlight, lagSeconds: 0 };
    const consumer = await this.broker.consumer();
    const oldest = await this.broker.publishedAt((consumer?.ack_floor.stream_seq ?? 0) + 1);
    const lagMs = oldest === undefined ? 0 : Math.max(0, Date.now() - oldest.getTime());
    return { inFlight, lagSeconds: lagMs / 1_000 };
  }
}

function topicStats(topic: TopicTotals): TopicStats {
  return {
    unique_processed: topic.stored,
    duplicate_dropped: topic.duplicates + topic.brokerDuplicates,
    conflicts: topic.conflicts,
    dead_letters: topic.deadLetters,
  };
}
