/**
 * The stream and its consumers as data, and the one function that makes the brokers agree with them.
 *
 * Retention is by limits, so that an event published before its consumer exists is kept and everything can be
 * read again. `discard: new` refuses publishers when the stream is full; nothing stored is dropped to make room.
 */
import { randomUUID } from 'node:crypto';
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
  /** Bytes of the largest event that is taken: written down, so that it is known by which rules messages were accepted. */
  readonly eventBytesMax?: number;
}

/** What a durable pull consumer is made from. */
export interface ConsumerDefinition {
  readonly name: string;
  readonly stream: string;
  readonly ackWaitMs: number;
  readonly ackPendingMax: number;
}

/** Which stream a sequence belongs to: a stream that is deleted and made again begins again at 1. */
export interface StreamIdentity {
  readonly name: string;
  /** As `streamIdentity` reads it. */
  readonly identity: string;
}

/**
 * Key in a stream's metadata: its identity, given once and carried by every update. The instant of its creation is none:
 * a standalone broker changes it after an update and a restart (nats-server#8470).
 */
export const STREAM_IDENTITY_METADATA = 'sekali.incarnation';
/** Key in a stream's metadata: bytes of the largest event that was taken. */
export const EVENT_BYTES_METADATA = 'sekali.event-bytes-max';
/** Keys that the brokers write by themselves. */
const BROKER_METADATA = '_nats.';

const CONSUMER_NOT_FOUND = 10014;
const STREAM_NOT_FOUND = 10059;
const STREAM_NAME_IN_USE = 10058;

/**
 * The identity of a stream. A stream that was made before streams had one is known by the instant of its creation until
 * setup writes its identity down.
 */
export function streamIdentity(stream: Pick<StreamInfo, 'config' | 'created'>): string {
  return stream.config.metadata?.[STREAM_IDENTITY_METADATA] ?? stream.created;
}

/**
 * Makes the stream, or changes an existing one to the definition. Repeatable. Waits for a leader up to a minute.
 *
 * @param adopt gives the identity of an existing stream that has none yet; the instant of its creation when left out
 * @param permit asked before an existing stream is changed; it throws to refuse
 */
export async function ensureStream(
  connection: NatsConnection,
  definition: StreamDefinition,
  adopt: (stream: StreamInfo) => Promise<string> = (stream) => Promise.resolve(streamIdentity(stream)),
  permit: (stream: StreamInfo) => Promise<void> = () => Promise.resolve(),
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
  const { eventBytesMax } = definition;
  const rules = eventBytesMax === undefined ? {} : { [EVENT_BYTES_METADATA]: String(eventBytesMax) };
  return whenAvailable(async () => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const existing =
      (await streamInfo(manager, definition.name)) ??
      (await addStream(manager, {
        ...config,
        metadata: { ...rules, [STREAM_IDENTITY_METADATA]: randomUUID() },
      }));
    if (existing === 'added') return manager.streams.info(definition.name);
    await permit(existing);
    const identity = existing.config.metadata?.[STREAM_IDENTITY_METADATA] ?? (await adopt(existing));
    const metadata = { ...ownMetadata(existing), ...rules, [STREAM_IDENTITY_METADATA]: identity };
    return manager.streams.update(definition.name, { ...config, metadata });
  });
}

/** Another setup may make it at the same moment, with an identity of its own; the first one counts. */
async function addStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo | 'added'> {
  try {
    await manager.streams.add(config);
    return 'added';
  } catch (error) {
    if (jetStreamErrorCode(error) !== STREAM_NAME_IN_USE) throw error;
    return manager.streams.info(config.name);
  }
}

/** What others wrote into the metadata stays: an update replaces all of it. */
function ownMetadata({ config }: StreamInfo): Record<string, string> {
  const entries = Object.entries(config.metadata ?? {});
  return Object.fromEntries(entries.filter(([key]) => !key.startsWith(BROKER_METADATA)));
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
  startSequence: (stream: StreamIdentity, firstSeq: number) => Promise<number>,
): Promise<ConsumerInfo> {
  return whenAvailable(async () => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const stream = await manager.streams.info(definition.stream);
    const limits = { ack_wait: nanos(definition.ackWaitMs), max_ack_pending: definition.ackPendingMax };
    const existing = await consumerInfo(manager, definition);
    if (existing) return manager.consumers.update(definition.stream, definition.name, limits);
    const first = await startSequence(
      { name: definition.stream, identity: streamIdentity(stream) },
      stream.state.first_seq,
    );
    const config: Partial<ConsumerConfig> = {
      ...limits,
      durable_name: definition.name,
      ack_policy: AckPolicy.Explicit,
      // The worker decides what is poison; a server-side limit would strand messages without a word.
      max_deliver: -1,
      max_waiting: 512,
      // A consumer with a first sequence of its own could never be put back to one before it.
      deliver_policy: DeliverPolicy.All,
    };
    const made = await manager.consumers.add(definition.stream, config);
    if (first <= 1) return made;
    await resetConsumer(connection, definition, first);
    return manager.consumers.info(definition.stream, definition.name);
  });
}

/**
 * Puts a consumer back, or forward: the next message that it delivers is the first at or after a sequence. What was
 * delivered and not acknowledged is forgotten.
 *
 * @throws when the brokers do not do it, with their words and what to do
 */
export async function resetConsumer(
  connection: NatsConnection,
  consumer: Pick<ConsumerDefinition, 'name' | 'stream'>,
  seq: number,
): Promise<void> {
  const manager = await jetstreamManager(connection, { checkAPI: false, timeout: RESET_MS_MAX });
  try {
    await manager.consumers.reset(consumer.stream, consumer.name, seq);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new Error(
      `consumer ${consumer.name} cannot be put back to sequence ${seq} (${reason}): run sekali rewind, then setup`,
      { cause: error },
    );
  }
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

const RESET_MS_MAX = 5_000;
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

function isForbidden(error: unknown): boolean {
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: { name?: unknown } };
  return name === 'PermissionViolationError' || cause?.name === 'PermissionViolationError';
}
