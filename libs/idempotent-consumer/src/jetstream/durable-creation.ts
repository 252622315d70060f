import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import type { StreamState } from '../delivery-source.js';
import { DurableConsumer, type DurableConsumerAddress } from './durable-consumer.js';

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
}

/**
 * Creates a durable consumer of the whole stream, if it is missing. One with a filter must be created by
 * hand. The call is repeatable, and succeeds in each of several processes that make it at once.
 *
 * @param startOf returns the first sequence to deliver
 * @throws what the brokers answer, for example that the account may not create consumers
 */
export async function createDurable(
  connection: NatsConnection,
  address: DurableConsumerAddress,
  { ackWaitMs, ackPendingMax }: DurableShape,
  startOf: (stream: Pick<StreamState, 'name' | 'identity' | 'firstSeq'>) => Promise<number>,
): Promise<void> {
  const { stream: name, consumer, identityKey, apiPrefix } = address;
  const manager = await jetstreamManager(connection, {
    checkAPI: false,
    ...(apiPrefix !== undefined && { apiPrefix }),
  });
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
  });
  if (first > Math.max(1, state.first_seq)) await new DurableConsumer(connection, address).reset(first);
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
  const { consumers } = await jetstreamManager(connection, {
    ...{ checkAPI: false, timeout: ADJUST_MS_MAX },
    ...(apiPrefix !== undefined && { apiPrefix }),
  });
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
