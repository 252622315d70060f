/**
 * A stream that holds a backlog. It is filled once and then read by one durable consumer per round.
 *
 * Each message carries a `Nats-Msg-Id`, as a producer's does, because reading headers is part of a consumer's work. A
 * repeat has an id of its own. It stands for a repeat that came after the duplicate window had forgotten the first, so
 * it reaches the consumer. Sequence n of the stream is message n − 1 of the plan.
 */
import { jetstream, type JetStreamClient, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { ensureStream, streamIdentity, StreamReader } from '#broker';
import { messageIdOf, subjectOf } from '#contracts';
import { type BacklogPlan, eventOf, eventsAmong, plannedMessages } from './event-sequence.js';

const IN_FLIGHT_MAX = 1_000;
/** This is generous, because brokers that always call fsync take long for a thousand messages in flight. */
const PUBLISH_MS_MAX = 30_000;
/** For a moment after a stream was created or its leader changed, no broker answers. The id makes a retry safe. */
export const PUBLISH_TRIES_MAX = 10;
const REPORTED_EVERY = 10_000;
const BYTES_PER_MESSAGE_MAX = 1_024;

/** A filled stream. */
export interface Backlog {
  readonly plan: BacklogPlan;
  readonly stream: string;
  /** The identity in the stream's metadata. */
  readonly identity: string;
  /** The first token of its subjects. */
  readonly subjectPrefix: string;
  readonly messages: number;
  /** The number of different events. */
  readonly events: number;
}

/** How to fill it. */
export interface FillOptions {
  /** Receives how many messages the stream has. */
  readonly onProgress?: (messages: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fills the stream of a plan. One that is already full is used as it is.
 *
 * @throws when a message cannot be published, or when the stream does not hold as many as were sent
 */
export async function fillBacklog(
  connection: NatsConnection,
  plan: BacklogPlan,
  options: FillOptions = {},
): Promise<Backlog> {
  const { name, prefix } = namesOf(plan);
  const manager = await jetstreamManager(connection, { checkAPI: false });
  const existing = await (await StreamReader.of(connection)).stream(name);
  if (existing?.state.messages !== plan.messages) {
    if (existing !== undefined) await manager.streams.delete(name);
    await ensureStream(connection, {
      name,
      subjectPrefix: prefix,
      replicas: 3,
      bytesMax: plan.messages * BYTES_PER_MESSAGE_MAX,
      ageSecondsMax: 0,
      duplicateWindowMs: 120_000,
    });
    await publishAll(jetstream(connection), plan, prefix, options);
  }
  const stream = await manager.streams.info(name);
  const { state } = stream;
  if (state.messages !== plan.messages || state.first_seq !== 1) {
    throw new Error(`stream ${name} holds ${state.messages} messages instead of ${plan.messages}`);
  }
  return {
    plan,
    stream: name,
    identity: streamIdentity(stream),
    subjectPrefix: prefix,
    messages: plan.messages,
    events: eventsAmong(plan, plan.messages),
  };
}

function namesOf({ messages, duplicateShare, ids = 'ordered', storedKeys }: BacklogPlan): {
  name: string;
  prefix: string;
} {
  const repeated = storedKeys === undefined ? '' : `-of-${storedKeys}`;
  const prefix = `backlog-${messages}-${Math.round(duplicateShare * 100)}-${ids}${repeated}`;
  return { name: prefix.toUpperCase(), prefix };
}

/**
 * Each lane publishes its next message when its last one is acknowledged. So the number of lanes bounds the messages in
 * flight.
 */
async function publishAll(
  client: JetStreamClient,
  plan: BacklogPlan,
  prefix: string,
  { onProgress = () => undefined, signal }: FillOptions,
): Promise<void> {
  const messages = plannedMessages(plan);
  let published = 0;
  const lane = async (): Promise<void> => {
    for (const message of messages) {
      signal?.throwIfAborted();
      const { topic, eventId, body } = eventOf(message, plan);
      const messageId = messageIdOf(topic, message.isRepeat ? `${eventId}#${message.index}` : eventId);
      await client.publish(subjectOf(prefix, topic), body, {
        msgID: messageId,
        timeout: PUBLISH_MS_MAX,
        retries: PUBLISH_TRIES_MAX,
      });
      published += 1;
      if (published % REPORTED_EVERY === 0) onProgress(published);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, lane));
  onProgress(published);
}
