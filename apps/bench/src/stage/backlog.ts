/**
 * A stream that holds a backlog: filled once, then read by as many durable consumers as there are rounds.
 *
 * Each message carries a `Nats-Msg-Id`, as a producer's does, because reading headers is part of a consumer's work. A
 * repeat carries one of its own: it stands for one that came after the duplicate window had forgotten the first, and so
 * reaches the consumer. Sequence n of the stream is message n − 1 of the plan.
 */
import { jetstream, type JetStreamClient, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { ensureStream, streamIdentity, StreamReader } from '#broker';
import { messageIdOf, subjectOf } from '#contracts';
import { type BacklogPlan, eventsAmong, plannedEvent, plannedMessages } from './event-sequence.js';

const IN_FLIGHT_MAX = 1_000;
/** Generous: on brokers that sync always, a thousand in flight take a while. */
const PUBLISH_MS_MAX = 30_000;
/** Nobody answers for a moment after a stream was made, or its leader has changed. The id makes trying again safe. */
export const PUBLISH_TRIES_MAX = 10;
const TOLD_EVERY = 10_000;
const BYTES_PER_MESSAGE_MAX = 1_024;

/** A filled stream. */
export interface Backlog {
  readonly plan: BacklogPlan;
  readonly stream: string;
  /** As the stream's metadata says. */
  readonly identity: string;
  /** First token of its subjects. */
  readonly subjectPrefix: string;
  readonly messages: number;
  /** How many different events they are. */
  readonly events: number;
}

/** How to fill it. */
export interface FillOptions {
  /** Told how many messages the stream has. */
  readonly onProgress?: (messages: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Fills the stream of a plan; one that is full already is used as it is.
 *
 * @throws when a message cannot be published, or the stream does not hold as many as were sent
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

function namesOf({ messages, duplicateShare, ids = 'ordered' }: BacklogPlan): {
  name: string;
  prefix: string;
} {
  const prefix = `backlog-${messages}-${Math.round(duplicateShare * 100)}-${ids}`;
  return { name: prefix.toUpperCase(), prefix };
}

/** Lanes that take the next message as soon as their last one is acknowledged: so many are in flight, never more. */
async function publishAll(
  client: JetStreamClient,
  plan: BacklogPlan,
  prefix: string,
  { onProgress = () => undefined, signal }: FillOptions,
): Promise<void> {
  const messages = plannedMessages(plan);
  let published = 0;
  const lane = async (): Promise<void> => {
    for (const { index, event, isRepeat } of messages) {
      signal?.throwIfAborted();
      const { topic, eventId, body } = plannedEvent(event, plan.ids);
      const messageId = messageIdOf(topic, isRepeat ? `${eventId}#${index}` : eventId);
      await client.publish(subjectOf(prefix, topic), body, {
        msgID: messageId,
        timeout: PUBLISH_MS_MAX,
        retries: PUBLISH_TRIES_MAX,
      });
      published += 1;
      if (published % TOLD_EVERY === 0) onProgress(published);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT_MAX }, lane));
  onProgress(published);
}
