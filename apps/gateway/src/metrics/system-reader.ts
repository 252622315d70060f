/** Reads the state of the system for the metrics, from the brokers and the database at once. */
import type { ConsumerInfo, StreamInfo } from '#broker';
import type { GatewaySettings } from '#config';
import type { BrokerFigures, DatabaseFigures, SystemFigures } from '#observability/metrics';
import { databaseBytes, partitionsEndMs, type Queryable, storeTotals } from '#store';
import { withTimeout } from '#waiting';
import type { BrokerLink } from '../broker-link.js';
import { lostReplicas } from '../health/replicas.js';
import type { OwnDuplicates } from '../stats/statistics.js';
import { certificateEnds } from './certificate-ends.js';

/** Less than the timeout of a scrape, which is 10 s by default. */
const READ_MS_MAX = 4_000;
const NANOSECONDS = 1e9;

/** What it reads from. */
export interface SystemReaderParts {
  readonly settings: GatewaySettings;
  readonly database: Queryable;
  readonly broker: Pick<BrokerLink, 'stream' | 'consumer' | 'publishedAt'>;
  readonly duplicates: OwnDuplicates;
}

/** Reads everything. It never rejects: a part that does not answer in time is `undefined`. */
export async function readSystem(parts: SystemReaderParts): Promise<SystemFigures> {
  const [brokers, database] = await Promise.all([
    withTimeout(READ_MS_MAX, readBrokers(parts)).catch(() => undefined),
    withTimeout(READ_MS_MAX, readDatabase(parts)).catch(() => undefined),
  ]);
  return { brokers, database, certificates: certificateEnds(parts.settings) };
}

async function readBrokers(parts: SystemReaderParts): Promise<BrokerFigures | undefined> {
  const { broker } = parts;
  const [stream, consumer] = await Promise.all([broker.stream(), broker.consumer()]);
  if (stream === undefined) return undefined;
  const { config, state } = stream;
  return {
    streamBytes: state.bytes,
    streamBytesMax: Math.max(0, config.max_bytes),
    streamMessages: state.messages,
    ageSecondsMax: config.max_age / NANOSECONDS,
    replicasExpected: config.num_replicas,
    replicasCurrent: (stream.cluster?.replicas?.length ?? 0) + 1 - lostReplicas(stream).length,
    consumer: consumer && (await consumerFigures(consumer, stream, broker)),
  };
}

async function consumerFigures(
  info: ConsumerInfo,
  stream: StreamInfo,
  broker: Pick<BrokerLink, 'publishedAt'>,
): Promise<NonNullable<BrokerFigures['consumer']>> {
  const lagEvents = info.num_pending + info.num_ack_pending;
  const isIdle = lagEvents === 0 || stream.state.messages === 0;
  const oldest = isIdle ? undefined : await broker.publishedAt(info.ack_floor.stream_seq + 1);
  // A consumer that has settled nothing yet lacks it, which the client's type does not say.
  const settledMs = Date.parse(String(info.ack_floor.last_active));
  return {
    lagEvents,
    lagSeconds: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest.getTime()) / 1_000,
    inFlightEvents: info.num_ack_pending,
    lastSettledSeconds: Number.isNaN(settledMs) ? undefined : settledMs / 1_000,
  };
}

async function readDatabase({ database, settings, duplicates }: SystemReaderParts): Promise<DatabaseFigures> {
  const { gateway, totals: own } = duplicates.own();
  const options = { topicsMax: 0, withoutGateway: gateway };
  const [{ all }, endMs, bytes] = await Promise.all([
    storeTotals(database, settings.SEKALI_STREAM, options),
    partitionsEndMs(database),
    databaseBytes(database),
  ]);
  let dropped = all.brokerDuplicates;
  for (const count of own.values()) dropped += count;
  return {
    outcomes: {
      stored: all.stored,
      duplicate: all.duplicates - all.conflicts,
      conflict: all.conflicts,
      dead_letter: all.deadLetters,
      dropped_by_brokers: dropped,
    },
    partitionsEndSeconds: endMs === undefined ? undefined : endMs / 1_000,
    bytes,
  };
}
