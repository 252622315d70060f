/** Creates a durable consumer that is missing. It is given all of its stream; one that is given a part is created by hand. */
import { AckPolicy, DeliverPolicy, jetstreamManager } from '@nats-io/jetstream';
import { type NatsConnection, nanos } from '@nats-io/nats-core';
import { DurableConsumer, type DurableConsumerAddress, type StreamSight } from './durable-consumer.js';

/** What the broker is to keep to for a consumer. */
export interface DurableShape {
  /** How long a delivery may stay unsettled before it is delivered again. */
  readonly ackWaitMs: number;
  /** Deliveries of all processes together that are unsettled, at most. */
  readonly ackPendingMax: number;
}

/**
 * Creates the consumer. Repeatable; of several processes that do it at the same moment, each succeeds.
 *
 * @param startOf the first sequence that it is to deliver
 * @throws what the broker answers: it may be forbidden
 */
export async function createDurable(
  connection: NatsConnection,
  address: DurableConsumerAddress,
  { ackWaitMs, ackPendingMax }: DurableShape,
  startOf: (stream: Pick<StreamSight, 'name' | 'identity' | 'firstSeq'>) => Promise<number>,
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
    // The consumer decides what is poison; a limit of the broker would strand messages without a word.
    max_deliver: -1,
    // One with a first sequence of its own could never be put back to one before it.
    deliver_policy: DeliverPolicy.All,
  });
  if (first > Math.max(1, state.first_seq)) await new DurableConsumer(connection, address).reset(first);
}
