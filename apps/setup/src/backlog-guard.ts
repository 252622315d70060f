/**
 * Settings that determine how messages are read may change only while no message waits that was accepted under the old
 * ones. A worker would misread such a message, or never receive it.
 */
import { EVENT_BYTES_METADATA, streamIdentity, type StreamInfo, StreamReader } from '#broker';
import type { SetupSettings } from '#config';
import { type Queryable, SEKALI_LEDGER, streamNames } from '#store';

/** A change of settings would lose messages that are not stored yet. Nothing has been changed. */
export class BacklogError extends Error {
  override readonly name = 'BacklogError';
}

type BrokerConnection = Parameters<typeof StreamReader.of>[0];
type GuardSettings = Pick<
  SetupSettings,
  'SEKALI_STREAM' | 'SEKALI_CONSUMER' | 'SEKALI_SUBJECT_PREFIX' | 'SEKALI_EVENT_BYTES_MAX'
>;

/** Refuses such changes during one run of setup. */
export class BacklogGuard {
  constructor(
    private readonly connection: BrokerConnection,
    private readonly pool: Queryable,
    private readonly settings: GuardSettings,
  ) {}

  /**
   * Checks the streams that the database knows by other names.
   *
   * @throws BacklogError when one of them holds messages that no worker would store any more
   */
  async refuseRenaming(): Promise<void> {
    const reader = await StreamReader.of(this.connection);
    for (const name of await streamNames(this.pool)) {
      if (name === this.settings.SEKALI_STREAM) continue;
      // The user may lack the right to inspect a stream of another name. Such a stream is not checked.
      const stream = await reader.stream(name).catch(() => undefined);
      const waiting = stream === undefined ? 0 : await this.waiting(reader, stream);
      if (waiting === 0) continue;
      throw new BacklogError(
        `SEKALI_STREAM is ${this.settings.SEKALI_STREAM}, but stream ${name} holds ${waiting} messages that are not ` +
          `stored yet: start with SEKALI_STREAM=${name} until /stats shows in_flight 0, then rename`,
      );
    }
  }

  /**
   * Checks whether the settings would change how waiting messages are read.
   *
   * @param stream the existing stream, with its present configuration
   * @returns the refusal, `undefined` when the settings may take effect
   */
  async otherRules(stream: StreamInfo): Promise<BacklogError | undefined> {
    const { SEKALI_SUBJECT_PREFIX: prefix, SEKALI_EVENT_BYTES_MAX: bytesMax } = this.settings;
    const changes: string[] = [];
    const { subjects } = stream.config;
    if (subjects.length > 0 && !subjects.includes(`${prefix}.>`)) {
      changes.push(`SEKALI_SUBJECT_PREFIX is ${prefix}, and was ${subjects.join(', ').replaceAll('.>', '')}`);
    }
    const before = Number(stream.config.metadata?.[EVENT_BYTES_METADATA] ?? 0);
    if (before > bytesMax) changes.push(`SEKALI_EVENT_BYTES_MAX is ${bytesMax}, and was ${before}`);
    if (changes.length === 0) return undefined;
    const waiting = await this.waiting(await StreamReader.of(this.connection), stream);
    if (waiting === 0) return undefined;
    return new BacklogError(
      `${changes.join('; ')}: ${waiting} messages of stream ${stream.config.name} were accepted before and are not ` +
        'stored yet, and would become dead letters; start with the old setting until /stats shows in_flight 0',
    );
  }

  /** Counts the messages of a stream that are not settled. Without a consumer, only the database knows. */
  private async waiting(reader: StreamReader, stream: StreamInfo): Promise<number> {
    const { name } = stream.config;
    const consumer = await reader.consumer({ stream: name, name: this.settings.SEKALI_CONSUMER });
    if (consumer) return consumer.num_pending + consumer.num_ack_pending;
    const incarnation = await SEKALI_LEDGER.registry.find(this.pool, {
      name,
      identity: streamIdentity(stream),
    });
    const { first_seq: firstSeq, last_seq: lastSeq, messages } = stream.state;
    if (incarnation === undefined) return messages;
    return lastSeq - (await SEKALI_LEDGER.settled(this.pool, incarnation.streamId, firstSeq - 1));
  }
}
