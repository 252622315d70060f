import { AckPolicy, type ConsumerConfig, DeliverPolicy } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import type { StreamState } from '../delivery-source.js';
import { DurableConsumer, type DurableConsumerAddress } from './durable-consumer.js';
import { openApi } from './jetstream-api.js';

/** The bounds of a durable consumer that is created. */
export interface DurableShape {
  /**
   * How long a delivery may stay unsettled before it is delivered again, in milliseconds. The default is
   * 5,000. Where it is given, an existing consumer gets it as well. That loses nothing: at most, a delivery
   * comes once more.
   */
  readonly ackWaitMs: number;
  /**
   * Unsettled deliveries of all processes together, at most. The default is 20,000. An existing consumer gets
   * it as well.
   */
  readonly ackPendingMax: number;
  /** The subjects of its filter, no two of which overlap. Without any, it delivers the whole stream. */
  readonly subjects: readonly string[];
}

/**
 * Creates a durable consumer of the given subjects, if it is missing. An existing one stays unchanged, and keeps its position.
 * The call succeeds in each of several processes that make it at once.
 *
 * @param startOf returns the first sequence to deliver
 * @throws what the brokers answer, for example that the account may not create consumers
 */
export async function createDurable(
  connection: NatsConnection,
  address: DurableConsumerAddress,
  { ackWaitMs, ackPendingMax, subjects }: DurableShape,
  startOf: (stream: Pick<StreamState, 'name' | 'identity' | 'firstSeq'>) => Promise<number>,
): Promise<void> {
  const durable = new DurableConsumer(connection, address);
  // A reset of an existing consumer would repeat every delivery since its inbox last kept the horizon.
  if ((await durable.inspect()) !== undefined) return;
  const { stream: name, consumer, identityKey, apiPrefix } = address;
  const manager = await openApi(connection, apiPrefix);
  const { config, created, state } = await manager.streams.info(name);
  const identity = config.metadata?.[identityKey] ?? created;
  const first = await startOf({ name, identity, firstSeq: state.first_seq });
  await manager.consumers.add(name, {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(ackWaitMs),
    max_ack_pending: ackPendingMax,
    // The library decides what is poison. A limit of the broker would strand messages silently.
    max_deliver: -1,
    // A consumer with its own start sequence could never be reset to an earlier one.
    deliver_policy: DeliverPolicy.All,
    ...filterOf(subjects),
  });
  if (first > Math.max(1, state.first_seq)) await durable.reset(first);
}

/** A single subject is part of the request's address, so an account can have the right to create this consumer alone. */
function filterOf(subjects: readonly string[]): Partial<ConsumerConfig> {
  const [subject, ...more] = subjects;
  if (subject === undefined) return {};
  return more.length === 0 ? { filter_subject: subject } : { filter_subjects: [...subjects] };
}

const ADJUST_MS_MAX = 2_000;

/**
 * Gives a consumer that exists the bounds that it should have. Neither loses a message: a delivery may come
 * once more. Where there is no such consumer, or the change is forbidden, everything stays as it is.
 *
 * @param shape the bounds; one that is left out stays as it is
 */
export async function adjustDurable(
  connection: NatsConnection,
  { stream, consumer, apiPrefix }: DurableConsumerAddress,
  { ackWaitMs, ackPendingMax }: Partial<Pick<DurableShape, 'ackWaitMs' | 'ackPendingMax'>>,
): Promise<void> {
  if (ackWaitMs === undefined && ackPendingMax === undefined) return;
  const { consumers } = await openApi(connection, apiPrefix, ADJUST_MS_MAX);
  const config = (await consumers.info(stream, consumer).catch(() => undefined))?.config;
  if (config === undefined) return;
  const change = {
    ...(ackWaitMs !== undefined && { ack_wait: nanos(ackWaitMs) }),
    ...(ackPendingMax !== undefined && { max_ack_pending: ackPendingMax }),
  };
  const isAsItShould = Object.entries(change).every(
    ([key, value]) => config[key as keyof typeof change] === value,
  );
  if (!isAsItShould) await consumers.update(stream, consumer, change).catch(() => undefined);
}
