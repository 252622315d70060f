/**
 * The stream and its consumers as data, and the one function that makes the brokers agree with them.
 *
 * Retention is by limits, so that an event published before its consumer exists is kept and everything can be
 * read again. `discard: new` refuses publishers when the stream is full; nothing stored is dropped to make room.
 */
import {
  AckPolicy,
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  DiscardPolicy,
  type JetStreamManager,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/nats-core';

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
const NO_SUITABLE_PEERS = 10005;
const INSUFFICIENT_STORAGE = 10047;
const STREAM_NOT_FOUND = 10059;

/** Makes the stream, or changes an existing one to the definition. Repeatable. Waits for a leader up to a minute. */
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
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const existing = await streamInfo(manager, definition.name);
    return existing ? manager.streams.update(definition.name, config) : manager.streams.add(config);
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
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const stream = await manager.streams.info(definition.stream);
    const limits = { ack_wait: nanos(definition.ackWaitMs), max_ack_pending: definition.ackPendingMax };
    const existing = await consumerInfo(manager, definition);
    if (existing) return manager.consumers.update(definition.stream, definition.name, limits);
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
    return manager.consumers.add(definition.stream, config);
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
    const manager = await jetstreamManager(connection, { checkAPI: false });
    // Brokers that were given empty volumes have not even a stream.
    const existing = await consumerInfo(manager, consumer).catch((error: unknown) =>
      absent(error, STREAM_NOT_FOUND),
    );
    if (existing) await manager.consumers.delete(consumer.stream, consumer.name);
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

function absent(error: unknown, code: number): undefined {
  if (jetStreamErrorCode(error) === code) return undefined;
  throw error;
}

/** A broker that has not come back yet, after which it passes by itself; a disk that is too small does not. */
function isPeerMissing(error: unknown): boolean {
  return jetStreamErrorCode(error) === NO_SUITABLE_PEERS && !/storage/i.test((error as Error).message);
}

/** The brokers have no place for a stream or a consumer, and whoever runs them has to make some. */
export class NoRoomError extends Error {
  override readonly name = 'NoRoomError';

  /** Puts an error of the brokers that means this into words that say what to do; any other stays as it is. */
  static from(error: unknown): unknown {
    const code = jetStreamErrorCode(error);
    if (code !== NO_SUITABLE_PEERS && code !== INSUFFICIENT_STORAGE) return error;
    const { message } = error as Error;
    const remedy = /storage/i.test(message)
      ? 'give the brokers more disk, or lower SEKALI_STREAM_BYTES_MAX'
      : 'start the brokers that are missing, or lower SEKALI_STREAM_REPLICAS';
    return new NoRoomError(`the brokers have no place for the stream (${message}): ${remedy}`, {
      cause: error,
    });
  }
}

const AVAILABLE_WITHIN_MS = 60_000;
const RETRY_MS = 500;

/**
 * Definitions the brokers will never accept fail at once, and so does what this user may not do. Waited for are a cluster
 * without a leader, and one that has not met all of its brokers again.
 *
 * @throws NoRoomError when the brokers have no place for what is to be made
 */
async function whenAvailable<T>(action: () => Promise<T>): Promise<T> {
  const deadline = Date.now() + AVAILABLE_WITHIN_MS;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      const { status } = error as { status?: unknown };
      const code = jetStreamErrorCode(error);
      const refused = code !== undefined && status !== 503 && !isPeerMissing(error);
      if (refused || isForbidden(error) || Date.now() > deadline) throw NoRoomError.from(error);
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

/** Whether this user may not do what it tried. */
export function isForbidden(error: unknown): boolean {
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: { name?: unknown } };
  return name === 'PermissionViolationError' || cause?.name === 'PermissionViolationError';
}
