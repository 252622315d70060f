/**
 * The stream and its consumers as data, and the one function that makes the brokers agree with them.
 *
 * Retention is by limits, so that an event published before its consumer exists is kept and everything can be
 * read again. `discard: new` refuses publishers when the stream is full; nothing stored is dropped to make room.
 */
import { isDeepStrictEqual } from 'node:util';
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { errors, nanos, type NatsConnection } from '@nats-io/nats-core';
import { jetStreamApi } from './jetstream-api.js';

/** What the stream is made from. */
export interface StreamDefinition {
  readonly name: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  readonly replicas: number;
  readonly bytesMax: number;
  readonly ageSecondsMax: number;
  readonly duplicateWindowMs: number;
}

/** What a durable pull consumer is made from. */
export interface ConsumerDefinition {
  readonly name: string;
  readonly stream: string;
  readonly ackWaitMs: number;
  readonly ackPendingMax: number;
}

/** Which making of a stream a sequence belongs to: a stream deleted and made anew begins again at 1. */
export interface StreamIncarnation {
  readonly name: string;
  /** The instant the stream was made, as the brokers write it (nanoseconds). */
  readonly created: string;
}

/** Key in a consumer's metadata: which making of the stream it reads, so that a worker need not ask for the stream. */
export const STREAM_CREATED_METADATA = 'sekali.stream-created';

const CONSUMER_NOT_FOUND = 10014;
const STREAM_NOT_FOUND = 10059;

/** The stream is not as it is defined, and whoever found that out may not change it. */
export class StreamDiffersError extends Error {
  override readonly name = 'StreamDiffersError';
  constructor(stream: string, fields: readonly string[], cause: unknown) {
    super(
      `the stream ${stream} differs from the settings in ${fields.join(', ')}, and this user may not change it: ` +
        'run setup once as the user that may (docker compose run --rm amend), or put the settings back',
      { cause },
    );
  }
}

/**
 * Makes the stream, or changes an existing one to the definition; one that is right already is left alone. Repeatable.
 * Waits for a leader up to a minute.
 *
 * @throws `StreamDiffersError` when it needs a change that the user of this connection may not make
 */
export async function ensureStream(
  connection: NatsConnection,
  definition: StreamDefinition,
): Promise<StreamInfo> {
  const config: Partial<StreamConfig> & { name: string } = {
    name: definition.name,
    subjects: [`${definition.subjectPrefix}.>`],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: definition.replicas,
    max_bytes: definition.bytesMax,
    max_age: nanos(definition.ageSecondsMax * 1_000),
    duplicate_window: nanos(definition.duplicateWindowMs),
    allow_direct: true,
    // Publishers send together what comes together: see publish-together.ts.
    allow_atomic: true,
  };
  return whenAvailable(async () => {
    const manager = await jetStreamApi(connection);
    const existing = await streamInfo(manager, definition.name);
    if (!existing) return change(manager.streams.add(config));
    const different = differencesOf(existing.config, config);
    if (different.length === 0) return existing;
    return change(manager.streams.update(definition.name, config)).catch((error: unknown) => {
      if (!isForbidden(error)) throw error;
      throw new StreamDiffersError(definition.name, different, error);
    });
  });
}

/**
 * Makes the consumer, or changes an existing one to the definition. Repeatable.
 *
 * @param startSequence where a consumer that has to be made begins; everything below must be settled. It is told the
 *   first sequence that the stream still has
 */
export async function ensureConsumer(
  connection: NatsConnection,
  definition: ConsumerDefinition,
  startSequence: (incarnation: StreamIncarnation, firstSeq: number) => Promise<number>,
): Promise<ConsumerInfo> {
  return whenAvailable(async () => {
    const manager = await jetStreamApi(connection);
    const stream = await manager.streams.info(definition.stream);
    const limits = { ack_wait: nanos(definition.ackWaitMs), max_ack_pending: definition.ackPendingMax };
    const existing = await consumerInfo(manager, definition);
    if (existing) return change(manager.consumers.update(definition.stream, definition.name, limits));
    const first = await startSequence(
      { name: definition.stream, created: stream.created },
      stream.state.first_seq,
    );
    const config: Partial<ConsumerConfig> = {
      ...limits,
      durable_name: definition.name,
      ack_policy: AckPolicy.Explicit,
      // The worker decides what is poison; a server-side limit would strand messages without a word.
      max_deliver: -1,
      max_waiting: 512,
      metadata: { [STREAM_CREATED_METADATA]: stream.created },
      ...(first > 1
        ? { deliver_policy: DeliverPolicy.StartSequence, opt_start_seq: first }
        : { deliver_policy: DeliverPolicy.All }),
    };
    return change(manager.consumers.add(definition.stream, config));
  });
}

/**
 * Deletes the consumer, and with it the knowledge of how far it has read. Repeatable. Whoever makes it again, setup or
 * a worker that may, lets it begin where the database ends.
 *
 * @returns what it was, `undefined` when there was none
 */
export async function forgetConsumer(
  connection: NatsConnection,
  consumer: Pick<ConsumerDefinition, 'name' | 'stream'>,
): Promise<ConsumerInfo | undefined> {
  return whenAvailable(async () => {
    const manager = await jetStreamApi(connection);
    // Brokers that were given empty volumes have not even a stream.
    const existing = await consumerInfo(manager, consumer).catch((error: unknown) =>
      absent(error, STREAM_NOT_FOUND),
    );
    if (existing) await change(manager.consumers.delete(consumer.stream, consumer.name));
    return existing;
  });
}

/** Asks for a stream; `undefined` when there is none. */
export async function streamInfo(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  return manager.streams.info(name).catch((error: unknown) => absent(error, STREAM_NOT_FOUND));
}

/** Asks for a consumer; `undefined` when there is none. */
export async function consumerInfo(
  manager: JetStreamManager,
  definition: Pick<ConsumerDefinition, 'name' | 'stream'>,
): Promise<ConsumerInfo | undefined> {
  return manager.consumers
    .info(definition.stream, definition.name)
    .catch((error: unknown) => absent(error, CONSUMER_NOT_FOUND));
}

/** The server's own error code of a JetStream API error, or `undefined` for any other error. */
export function jetStreamErrorCode(error: unknown): number | undefined {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'number' ? code : undefined;
}

/** Names of the fields that are not as they should be. Those that the definition leaves open may be as they like. */
function differencesOf(actual: StreamConfig, wanted: Partial<StreamConfig>): string[] {
  return Object.entries(wanted)
    .filter(([name, value]) => !isDeepStrictEqual(actual[name as keyof StreamConfig], value))
    .map(([name]) => name);
}

function absent(error: unknown, code: number): undefined {
  if (jetStreamErrorCode(error) === code) return undefined;
  throw error;
}

const AVAILABLE_WITHIN_MS = 60_000;
const RETRY_MS = 500;

/**
 * Definitions the brokers will never accept fail at once, and so does what this user may not do; a cluster without a
 * leader is waited for.
 */
async function whenAvailable<T>(action: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + AVAILABLE_WITHIN_MS;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const status = (error as { status?: unknown }).status;
      const refused = jetStreamErrorCode(error) !== undefined && status !== 503;
      if (refused || isForbidden(error) || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** The brokers do not let this user change something. */
class NotPermittedError extends Error {
  override readonly name = 'NotPermittedError';
}

/**
 * Waits for the answer to a request that changes something, after another that was answered. Nobody answers then means that
 * the account of this connection has no right to it: what it has not imported does not exist there.
 */
async function change<T>(request: Promise<T>): Promise<T> {
  try {
    return await request;
  } catch (error) {
    if (!hasNoResponders(error)) throw error;
    throw new NotPermittedError('this user may not change that on the brokers', { cause: error });
  }
}

function hasNoResponders(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof errors.NoRespondersError) return true;
  }
  return false;
}

function isForbidden(error: unknown): boolean {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof NotPermittedError || cause instanceof errors.PermissionViolationError) return true;
  }
  return false;
}
