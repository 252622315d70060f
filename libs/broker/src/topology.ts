/**
 * The stream and its consumers as data, and the one function that makes the brokers agree with them.
 *
 * Retention is by limits, so that an event published before its consumer exists is kept and everything can be
 * read again. `discard: new` refuses publishers when the stream is full; nothing stored is dropped to make room.
 */
import {
  type ConsumerConfig,
  type ConsumerInfo,
  DeliverPolicy,
  type JetStreamManager,
  jetstreamManager,
  type StreamConfig,
  type StreamInfo,
} from '@nats-io/jetstream';
import { nanos, type NatsConnection } from '@nats-io/nats-core';
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

/**
 * Makes the stream, or changes an existing one to the definition. Repeatable: nothing is sent where nothing differs. Waits
 * for a leader up to a minute.
 *
 * @param onDifferences told of what was put right
 * @throws `DefinitionError` when the stream differs and cannot be changed, would lose something, or may not be changed
 */
export async function ensureStream(
  connection: NatsConnection,
  definition: StreamDefinition,
  onDifferences: OnDifferences = () => undefined,
): Promise<StreamInfo> {
  const config: Partial<StreamConfig> & { name: string } = {
    ...streamShape(definition.subjectPrefix),
    name: definition.name,
    num_replicas: definition.replicas,
    max_bytes: definition.bytesMax,
    max_age: nanos(definition.ageSecondsMax * 1_000),
    duplicate_window: nanos(definition.duplicateWindowMs),
  };
  return whenAvailable(async () => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const existing = await streamInfo(manager, definition.name);
    if (!existing) return manager.streams.add(config);
    const isAllSettled = await isSettled(manager, definition);
    const differences = streamDifferences(existing, config, isAllSettled);
    if (differences.length === 0) return existing;
    // The brokers lift no limit of a stream for consumers while it has one.
    const isLimit = differences.some(({ field }) => field === 'consumer_limits');
    const remedy = isLimit ? CONSUMER_REMEDY : STREAM_REMEDY;
    return mend(`the stream ${definition.name}`, differences, remedy, onDifferences, async () =>
      manager.streams.update(definition.name, mending(differences)),
    );
  });
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
    const status = (error as { status?: unknown }).status;
    if (isForbidden(error))
      throw new DefinitionError(
        subject,
        differences,
        'This user may not change it: change it by hand (`nats stream edit`, `nats consumer edit`), or run setup as a user that may.',
        { cause: error },
      );
    if (jetStreamErrorCode(error) === undefined || status === 503) throw error;
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
  startSequence: (incarnation: StreamIncarnation, firstSeq: number) => Promise<number>,
  onDifferences: OnDifferences = () => undefined,
): Promise<ConsumerInfo> {
  return whenAvailable(async () => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const stream = await manager.streams.info(definition.stream);
    const wanted: Partial<ConsumerConfig> = {
      ...CONSUMER_SHAPE,
      ack_wait: nanos(definition.ackWaitMs),
      max_ack_pending: definition.ackPendingMax,
    };
    const existing = await consumerInfo(manager, definition);
    if (existing) {
      const subject = `the consumer ${definition.name} of the stream ${definition.stream}`;
      const all = consumerDifferences(existing, wanted);
      const pauses = all.filter(isPause);
      if (pauses.length > 0) onDifferences(subject, pauses);
      const differences = all.filter((one) => !isPause(one));
      if (differences.length === 0) return existing;
      return mend(subject, differences, CONSUMER_REMEDY, onDifferences, async () =>
        manager.consumers.update(definition.stream, definition.name, mending(differences)),
      );
    }
    const first = await startSequence(
      { name: definition.stream, created: stream.created },
      stream.state.first_seq,
    );
    const config: Partial<ConsumerConfig> = {
      ...wanted,
      durable_name: definition.name,
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
      const isFinal = refused || error instanceof DefinitionError || isForbidden(error);
      if (isFinal || Date.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    }
  }
}

function isForbidden(error: unknown): boolean {
  const { name, cause } = (error ?? {}) as { name?: unknown; cause?: { name?: unknown } };
  return name === 'PermissionViolationError' || cause?.name === 'PermissionViolationError';
}
