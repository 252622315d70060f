/**
 * The stream and its consumers as data, and the one function that makes the brokers agree with them.
 *
 * Retention is by limits, so that an event published before its consumer exists is kept and everything can be
 * read again. `discard: new` refuses publishers when the stream is full; nothing stored is dropped to make room.
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

/** What the stream is made from. */
export interface StreamDefinition {
  readonly name: string;
  /** First token of every subject. */
  readonly subjectPrefix: string;
  readonly replicas: number;
  readonly bytesMax: number;
  readonly ageSecondsMax: number;
  readonly duplicateWindowMs: number;
  /** Durable consumers whose unsettled messages must not leave the stream because its age is lowered. */
  readonly consumers?: readonly string[];
  /** Bytes of the largest event that is taken: written down, so that it is known by which rules messages were accepted. */
  readonly eventBytesMax?: number;
}

/** Told of what was changed by hand and was put right, or is left because it loses nothing. */
export type OnDifferences = (subject: string, differences: readonly Difference[]) => void;

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

const STREAM_NAME_IN_USE = 10058;

/**
 * The identity of a stream. A stream that was made before streams had one is known by the instant of its creation until
 * setup writes its identity down.
 */
export function streamIdentity(stream: Pick<StreamInfo, 'config' | 'created'>): string {
  return stream.config.metadata?.[STREAM_IDENTITY_METADATA] ?? stream.created;
}

/** What is asked, or told, before an existing stream is changed. */
export interface StreamChange {
  /** Gives the identity of a stream that has none yet; the instant of its creation when left out. */
  readonly adopt?: (stream: StreamInfo) => Promise<string>;
  /** Gives the error with which the change is refused. */
  readonly permit?: (stream: StreamInfo) => Promise<Error | undefined>;
  /** Told of what is put right. */
  readonly onDifferences?: OnDifferences;
}

/**
 * Makes the stream, or changes an existing one to the definition. Repeatable: nothing is sent where nothing differs. Waits
 * for a leader up to a minute.
 *
 * @throws `DefinitionError` when the stream differs and cannot be changed, would lose something, or may not be changed
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

/** Puts an existing stream right, and writes down its identity and the rules by which it takes messages. */
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
  // The brokers lift no limit of a stream for consumers while it has one.
  const isLimit = differences.some(({ field }) => field === 'consumer_limits');
  const remedy = isLimit ? CONSUMER_REMEDY : STREAM_REMEDY;
  if (differences.length > 0)
    return mend(`the stream ${definition.name}`, differences, remedy, onDifferences, update);
  return update().catch((error: unknown) => {
    // A user that may not change a stream leaves the note to one that may; until then it is known by its creation.
    if (isForbidden(error)) return existing;
    throw error;
  });
}

/** Another setup may make it at the same moment, with an identity of its own; the first one counts. */
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

/** What others wrote into the metadata stays: an update replaces all of it. */
function ownMetadata({ config }: StreamInfo): Record<string, string> {
  const entries = Object.entries(config.metadata ?? {});
  return Object.fromEntries(entries.filter(([key]) => !key.startsWith(BROKER_METADATA)));
}

const STREAM_REMEDY =
  'Nothing was changed. Let the workers store what is in it, then delete the stream and run setup, or name another one in SEKALI_STREAM';
const CONSUMER_REMEDY =
  'Nothing was changed. Run `sekali rewind`, then setup: the consumer is made again and begins where the database ends';

/** Puts differences right by one update, or says why not. */
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

/** Whether no consumer of the definition has anything left to settle. One that does not exist has everything left. */
async function isSettled(manager: JetStreamManager, definition: StreamDefinition): Promise<boolean> {
  for (const name of definition.consumers ?? []) {
    const info = await consumerInfo(manager, { name, stream: definition.name });
    if (!info || info.num_pending + info.num_ack_pending > 0) return false;
  }
  return true;
}

/**
 * Makes the consumer, or changes an existing one to the definition. Repeatable: nothing is sent where nothing differs.
 *
 * @param startSequence where a consumer that has to be made begins; everything below must be settled. It is told the
 *   first sequence that the stream still has
 * @param onDifferences told of what was put right, and of a pause, which is left to end
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
      // A consumer with a first sequence of its own could never be put back to one before it.
      deliver_policy: DeliverPolicy.All,
    };
    const made = await change(manager.consumers.add(definition.stream, config));
    if (first <= 1) return made;
    await resetConsumer(connection, definition, first);
    return manager.consumers.info(definition.stream, definition.name);
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
