/** The producers of a run, and each one's share of the load. */
import type { Via } from '../history/operation.js';
import { HttpProducer } from './http-producer.js';
import { NatsProducer } from './nats-producer.js';
import type { Producer } from './producer.js';
import type { Random } from './random.js';

/** A producer with its part of the load. */
export interface Lane {
  readonly producer: Producer;
  /** Share of all messages, 0 to 1. The shares of a run add up to 1. */
  readonly share: number;
  /** Operations in flight at a time, at most; an operation and its twin count as one. */
  readonly concurrency: number;
  /** Messages in an operation; small numbers more often. */
  readonly size: readonly [min: number, max: number];
}

/** Where producers send. */
export interface Doors {
  /** URLs of the gateways, at least one. */
  readonly gateways: readonly string[];
  /** The key that the gateways ask for, if they do. */
  readonly apiKey?: string | undefined;
  /** URLs of the brokers. */
  readonly nats: readonly string[];
  /** First token of every subject, `events`. */
  readonly subjectPrefix: string;
}

type Load = Omit<Lane, 'producer'> & { readonly producers: number };

/** Single operations are many and small, batches few and large. Only NATS carries poison to the workers. */
const LOADS: Readonly<Record<Via, Load>> = {
  http: { producers: 2, share: 0.15, concurrency: 16, size: [1, 1] },
  http_batch: { producers: 2, share: 0.2, concurrency: 4, size: [2, 100] },
  http_lenient: { producers: 1, share: 0.1, concurrency: 4, size: [2, 50] },
  bulk: { producers: 1, share: 0.15, concurrency: 4, size: [1, 100] },
  cloudevents: { producers: 1, share: 0.1, concurrency: 4, size: [1, 30] },
  nats: { producers: 2, share: 0.3, concurrency: 64, size: [1, 1] },
};

/**
 * Creates every producer of a run. Two send single events over HTTP, two batches, one lenient batches. One sends
 * documents, one CloudEvents. Two publish over NATS, each with a separate connection.
 *
 * @param runStartedAtMs milliseconds since 1970, from which the timestamps of events follow
 * @throws when no broker answers
 */
export async function openLanes(doors: Doors, runStartedAtMs: number, random: Random): Promise<Lane[]> {
  const lanes: Lane[] = [];
  try {
    for (const [via, { producers, share, ...load }] of Object.entries(LOADS) as [Via, Load][]) {
      for (let number = 1; number <= producers; number++) {
        const name = `${via.replace('_', '-')}-${number}`;
        const producer = await openProducer(via, name, doors, runStartedAtMs, random.fork());
        lanes.push({ ...load, producer, share: share / producers });
      }
    }
  } catch (error) {
    await closeLanes(lanes);
    throw error;
  }
  return lanes;
}

/** Closes every producer. */
export async function closeLanes(lanes: readonly Lane[]): Promise<void> {
  await Promise.all(lanes.map(({ producer }) => producer.close()));
}

async function openProducer(
  via: Via,
  name: string,
  { gateways, apiKey, nats, subjectPrefix }: Doors,
  runStartedAtMs: number,
  random: Random,
): Promise<Producer> {
  if (via !== 'nats') return new HttpProducer({ name, via, gateways, apiKey, runStartedAtMs }, random);
  return NatsProducer.connect({ name, urls: nats, subjectPrefix, runStartedAtMs });
}
