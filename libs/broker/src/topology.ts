/**
 * The stream and its consumers as data, and the functions that make the brokers agree with them.
 *
 * Retention is by limits, so an event that is published before its consumer exists is kept, and all of it can be read
 * again. `discard: new` refuses publishers when the stream is full. Stored messages are never dropped to make room.
 */
import { randomUUID } from 'node:crypto';
import {
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/nats-core';
import { change, isForbidden, isRefused, jetStreamErrorCode, whenAvailable } from './availability.js';
import {
  CONSUMER_SHAPE,
  consumerDifferences,
  DefinitionError,
  type Difference,
  isPause,
  mending,
  streamDifferences,
  streamShape,
} from './definition-differences.js';
import { jetStreamApi } from './jetstream-api.js';
import { resetConsumer } from './consumer-reset.js';
import { absent, consumerInfo, STREAM_NOT_FOUND, streamInfo } from './stream-reader.js';

/** The definition of a stream. */
export interface StreamDefinition {
  readonly name: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  readonly replicas: number;
  readonly bytesMax: number;
  readonly ageSecondsMax: number;
  readonly duplicateWindowMs: number;
  /** Durable consumers whose unsettled messages must not expire when the maximum age is lowered. */
  readonly consumers?: readonly string[];
  /**
   * Bytes of the largest event that is taken. The stream's metadata records it, so that it is known which rules applied
   * to its messages.
   */
  readonly eventBytesMax?: number;
}

/** Called for each change by hand that was corrected, or was left because it loses nothing. */
export type OnDifferences = (subject: string, differences: readonly Difference[]) => void;

/** The definition of a durable pull consumer. */
export interface ConsumerDefinition {
  readonly name: string;
  readonly stream: string;
  readonly ackWaitMs: number;
  readonly ackPendingMax: number;
}

/** Which stream a sequence belongs to. A stream that is deleted and created again starts at 1 again. */
export interface StreamIdentity {
  readonly name: string;
  /** The value that `streamIdentity` returns. */
  readonly identity: string;
}

/**
 * Metadata key of a stream's identity, which is assigned once and kept by every update. The time of creation does not
 * serve: a standalone broker changes it after an update and a restart (nats-server#8470).
 */
export const STREAM_IDENTITY_METADATA = 'sekali.incarnation';
/** Metadata key of the largest event that the stream took, in bytes. */
export const EVENT_BYTES_METADATA = 'sekali.event-bytes-max';
/** Prefix of the keys that the brokers write themselves. */
const BROKER_METADATA = '_nats.';

const STREAM_NAME_IN_USE = 10058;

/**
 * The identity of a stream. An older stream without one is identified by its time of creation until setup writes an
 * identity.
 */
export function streamIdentity(stream: Pick<StreamInfo, 'config' | 'created'>): string {
  return stream.config.metadata?.[STREAM_IDENTITY_METADATA] ?? stream.created;
}

/** Callbacks that are called before an existing stream is changed. */
export interface StreamChange {
  /** Returns the identity for a stream that has none yet; its time of creation when left out. */
  readonly adopt?: (stream: StreamInfo) => Promise<string>;
  /** Returns the error with which to refuse the change. */
  readonly permit?: (stream: StreamInfo) => Promise<Error | undefined>;
  /** Called with what is corrected. */
  readonly onDifferences?: OnDifferences;
}

/**
 * Creates the stream, or corrects an existing one to the definition. It is repeatable, and sends nothing where nothing
 * differs. It waits up to a minute for a leader.
 *
 * @throws `DefinitionError` when the stream differs and cannot be changed, would lose something, or may not be
 *   changed
 */
export async function ensureStream(
  connection: NatsConnection,
  definition: StreamDefinition,
  asked: StreamChange = {},
): Promise<StreamInfo> {
  const config: Partial<StreamConfig> & { name: string } = {
    ...streamShape(definition.subjectPrefix),
    name: definition.name,
    num_replicas: definition.replicas,
    max_bytes: definition.bytesMax,
    max_age: nanos(definition.ageSecondsMax * 1_000),
    duplicate_window: nanos(definition.duplicateWindowMs),
  };
  const { eventBytesMax } = definition;
  const rules = eventBytesMax === undefined ? {} : { [EVENT_BYTES_METADATA]: String(eventBytesMax) };
  const made = await whenAvailable<StreamInfo | Error>(async () => {
    const manager = await jetStreamApi(connection);
    const existing =
      (await streamInfo(manager, definition.name)) ??
      (await addStream(manager, {
        ...config,
        metadata: { ...rules, [STREAM_IDENTITY_METADATA]: randomUUID() },
      }));
    if (existing === 'added') return manager.streams.info(definition.name);
    const refusal = await asked.permit?.(existing);
    if (refusal !== undefined) return refusal;
    return changeStream(manager, existing, definition, { config, rules }, asked);
  });
  if (made instanceof Error) throw made;
  return made;
}

/** Corrects an existing stream, and records its identity and the rules by which it takes messages. */
async function changeStream(
  manager: JetStreamManager,
  existing: StreamInfo,
  definition: StreamDefinition,
  { config, rules }: { config: Partial<StreamConfig>; rules: Readonly<Record<string, string>> },
  { adopt, onDifferences = () => undefined }: StreamChange,
): Promise<StreamInfo> {
  const own = ownMetadata(existing);
  const identity = own[STREAM_IDENTITY_METADATA] ?? (await adopt?.(existing)) ?? streamIdentity(existing);
  const metadata = { ...own, ...rules, [STREAM_IDENTITY_METADATA]: identity };
  const differences = streamDifferences(existing, config, await isSettled(manager, definition));
  const isNoted = Object.entries(metadata).every(([key, value]) => own[key] === value);
  if (differences.length === 0 && isNoted) return existing;
  const update = async (): Promise<StreamInfo> =>
    change(manager.streams.update(definition.name, { ...mending(differences), metadata }));
  // While a stream limits its consumers, the brokers do not lift that limit.
  const isLimit = differences.some(({ field }) => field === 'consumer_limits');
  const remedy = isLimit ? CONSUMER_REMEDY : STREAM_REMEDY;
  if (differences.length > 0)
    return mend(`the stream ${definition.name}`, differences, remedy, onDifferences, update);
  return update().catch((error: unknown) => {
    // A user that may not change the stream leaves the note to one that may. Until then the time of creation identifies
    // it.
    if (isForbidden(error)) return existing;
    throw error;
  });
}

/** Another setup may create the stream at the same moment, with its own identity. The first one counts. */
async function addStream(
  manager: JetStreamManager,
  config: Partial<StreamConfig> & { name: string },
): Promise<StreamInfo | 'added'> {
  try {
    await change(manager.streams.add(config));
    return 'added';
  } catch (error) {
    if (jetStreamErrorCode(error) !== STREAM_NAME_IN_USE) throw error;
    return manager.streams.info(config.name);
  }
}

/** Entries of others stay, because an update replaces all metadata. */
function ownMetadata({ config }: StreamInfo): Record<string, string> {
  const entries = Object.entries(config.metadata ?? {});
  return Object.fromEntries(entries.filter(([key]) => !key.startsWith(BROKER_METADATA)));
}

const STREAM_REMEDY =
  'Nothing was changed. Let the workers store what is in it, then delete the stream and run setup, or name another one in SEKALI_STREAM';
const CONSUMER_REMEDY =
  'Nothing was changed. Run `sekali rewind`, then setup: the consumer is created again and starts where the database ends';

/** Corrects differences by one update, or says why it cannot. */
async function mend<T>(
  subject: string,
  differences: readonly Difference[],
  remedy: string,
  onDifferences: OnDifferences,
  update: () => Promise<T>,
): Promise<T> {
  const fixed = differences.filter(({ canBeMended }) => !canBeMended);
  if (fixed.length > 0) throw new DefinitionError(subject, fixed, `${remedy}.`);
  try {
    const info = await update();
    onDifferences(subject, differences);
    return info;
  } catch (error) {
    if (isForbidden(error))
      throw new DefinitionError(
        subject,
        differences,
        'This user may not change it. Run setup as a user that may (in Compose: `docker compose run --rm amend`), or put the settings back.',
        { cause: error },
      );
    if (!isRefused(error)) throw error;
    throw new DefinitionError(
      subject,
      differences,
      `The brokers refuse to change it: ${(error as Error).message}. ${remedy}.`,
      { cause: error },
    );
  }
}

/**
 * Whether no consumer of the definition has anything left to settle. A consumer that does not exist has everything
 * left.
 */
async function isSettled(manager: JetStreamManager, definition: StreamDefinition): Promise<boolean> {
  for (const name of definition.consumers ?? []) {
    const info = await consumerInfo(manager, { name, stream: definition.name });
    if (!info || info.num_pending + info.num_ack_pending > 0) return false;
  }
  return true;
}

/**
 * Creates the consumer, or corrects an existing one to the definition. It is repeatable, and sends nothing where
 * nothing differs.
 *
 * @param startSequence returns where a new consumer starts; all below must be settled. Its argument is the first
 *   sequence that the stream still has
 * @param onDifferences called with what was corrected, and with a pause, which is left to end
 * @throws `DefinitionError` when the consumer differs and cannot, or may not, be changed
 */
export async function ensureConsumer(
  connection: NatsConnection,
  definition: ConsumerDefinition,
  startSequence: (stream: StreamIdentity, firstSeq: number) => Promise<number>,
  onDifferences: OnDifferences = () => undefined,
): Promise<ConsumerInfo> {
  return whenAvailable(async () => {
    const manager = await jetStreamApi(connection);
    const stream = await manager.streams.info(definition.stream);
    const desired: Partial<ConsumerConfig> = {
      ...CONSUMER_SHAPE,
      ack_wait: nanos(definition.ackWaitMs),
      max_ack_pending: definition.ackPendingMax,
    };
    const existing = await consumerInfo(manager, definition);
    if (existing) {
      const subject = `the consumer ${definition.name} of the stream ${definition.stream}`;
      const all = consumerDifferences(existing, desired);
      const pauses = all.filter(isPause);
      if (pauses.length > 0) onDifferences(subject, pauses);
      const differences = all.filter((one) => !isPause(one));
      if (differences.length === 0) return existing;
      return mend(subject, differences, CONSUMER_REMEDY, onDifferences, async () =>
        change(manager.consumers.update(definition.stream, definition.name, mending(differences))),
      );
    }
    const first = await startSequence(
      { name: definition.stream, identity: streamIdentity(stream) },
      stream.state.first_seq,
    );
    const config: Partial<ConsumerConfig> = {
      ...desired,
      durable_name: definition.name,
      // A consumer with a start sequence could never be moved back before it.
      deliver_policy: DeliverPolicy.All,
    };
    const made = await addConsumer(manager, definition.stream, config);
    if (first <= 1) return made;
    await resetConsumer(connection, definition, first);
    return manager.consumers.info(definition.stream, definition.name);
  });
}

/**
 * Creates a consumer of a stream that exists. The leader of all brokers may hear of a new stream later than those that
 * have it, and refuses its consumers until then.
 *
 * @throws an error that does not count as a refusal when the leader does not know the stream yet
 */
async function addConsumer(
  manager: JetStreamManager,
  stream: string,
  config: Partial<ConsumerConfig>,
): Promise<ConsumerInfo> {
  return change(manager.consumers.add(stream, config)).catch((error: unknown) => {
    if (jetStreamErrorCode(error) !== STREAM_NOT_FOUND) throw error;
    throw new Error(`the brokers' leader has not heard of the stream ${stream} yet`, { cause: error });
  });
}

/**
 * Deletes the consumer, and with it the knowledge of how far it has read. It is repeatable. Setup, or a worker that
 * may, creates it again and starts it where the database ends.
 *
 * @returns the deleted consumer, `undefined` when there was none
 */
export async function forgetConsumer(
  connection: NatsConnection,
  consumer: Pick<ConsumerDefinition, 'name' | 'stream'>,
): Promise<ConsumerInfo | undefined> {
  return whenAvailable(async () => {
    const manager = await jetStreamApi(connection);
    // Brokers with empty volumes do not even have a stream.
    const existing = await consumerInfo(manager, consumer).catch((error: unknown) =>
      absent(error, STREAM_NOT_FOUND),
    );
    if (existing) await change(manager.consumers.delete(consumer.stream, consumer.name));
    return existing;
  });
}
