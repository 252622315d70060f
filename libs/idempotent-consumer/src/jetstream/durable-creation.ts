import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import type { StreamState } from '../delivery-source.js';
import { DurableConsumer, type DurableConsumerAddress } from './durable-consumer.js';

/** The bounds of a durable consumer that is created. */
export interface DurableShape {
  /** How long a delivery may stay unsettled before it is delivered again, in milliseconds. */
  readonly ackWaitMs: number;
  /** Unsettled deliveries of all processes together, at most. */
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
