/**
 * The gateway's way to the brokers: one connection, the publisher on it, and the questions it asks them.
 *
 * The gateway starts while no broker answers. Until the first connection stands, publishing is unavailable and
 * questions fail; from then on the connection is kept by itself.
 */
import {
  jetstreamManager,
  type ConsumerInfo,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import {
  type BrokerAddress,
  connectBroker,
  consumerInfo,
  Publisher,
  streamInfo,
  StreamWitness,
  type Publication,
  type PublisherOptions,
  type PublishOutcome,
} from '#broker';
import { withinMs } from './within.js';

/** Where the brokers are, and which stream and consumer this is about. */
export interface BrokerLinkOptions {
  readonly address: BrokerAddress;
  readonly consumer: string;
  readonly publisher: PublisherOptions;
}

const ANSWER_MS_MAX = 2_500;
const CONNECT_AGAIN_MS = 250;
const DRAIN_MS_MAX = 1_500;
/** How often the stream is looked for, while it is there and while it is not. */
const LOOK_EVERY_MS = 5_000;
const LOOK_FOR_MISSING_MS = 500;

/** See the head of this file. */
export class BrokerLink {
  private connection: NatsConnection | undefined;
  private publisher: Publisher | undefined;
  private manager: JetStreamManager | undefined;
  private streamWitness: StreamWitness | undefined;
  private isStreamThere = false;
  private lookTimer: NodeJS.Timeout | undefined;
  private stopWithinMs: number | undefined;
  private closed = false;

  constructor(private readonly options: BrokerLinkOptions) {}

  /**
   * Connects, as long as it takes, until `close` is called.
   *
   * @param onFailure told of each try that failed
   */
  async connect(onFailure: (error: unknown) => void): Promise<void> {
    while (!this.closed) {
      try {
        // Not left to the client: its own waiting for the first connection cannot be ended.
        await this.begin(await connectBroker(this.options.address, { waitForFirst: false }));
        return;
      } catch (error) {
        onFailure(error);
        await new Promise((resolve) => setTimeout(resolve, CONNECT_AGAIN_MS));
      }
    }
  }

  /** Publishes events; see `Publisher.publishAll`. Without the stream, another one might take them that nothing reads. */
  async publishAll(events: readonly Publication[]): Promise<PublishOutcome[]> {
    if (this.publisher !== undefined && this.isStreamThere) return this.publisher.publishAll(events);
    return events.map(() => ({ status: 'unavailable', reason: 'no_answer', retryable: true }));
  }

  /** The stream as it is now, `undefined` when there is none. Rejects when the brokers do not answer in time. */
  async stream(): Promise<StreamInfo | undefined> {
    const manager = this.answering();
    return withinMs(ANSWER_MS_MAX, streamInfo(manager, this.options.publisher.stream));
  }

  /** The consumer as it is now, `undefined` when there is none. Rejects when the brokers do not answer in time. */
  async consumer(): Promise<ConsumerInfo | undefined> {
    const manager = this.answering();
    const names = { stream: this.options.publisher.stream, name: this.options.consumer };
    return withinMs(ANSWER_MS_MAX, consumerInfo(manager, names));
  }

  /** When the first message at or after a sequence was published; `undefined` when there is none. */
  async publishedAt(seq: number): Promise<Date | undefined> {
    const { stream, subjectPrefix } = this.options.publisher;
    const query = { seq, next_by_subj: `${subjectPrefix}.>` };
    const message = await withinMs(ANSWER_MS_MAX, this.answering().streams.getMessage(stream, query));
    return message?.time;
  }

  /** What stands under the sequences of the stream. Throws before the first connection stands. */
  witness(): StreamWitness {
    if (this.connection === undefined) throw new Error('not connected yet');
    this.streamWitness ??= new StreamWitness(this.connection, this.options.publisher.stream);
    return this.streamWitness;
  }

  /** Whether a broker answers now. Rejects when none does in time. */
  async ping(): Promise<void> {
    if (this.connection === undefined) throw new Error('not connected yet');
    await withinMs(ANSWER_MS_MAX, this.connection.flush());
  }

  /** Begins no more publishes, and ends those under way within a time. */
  stopPublishing(withinMsMax: number): void {
    this.stopWithinMs = withinMsMax;
    this.publisher?.stop(withinMsMax);
  }

  /** Ends the connection after what was sent has left. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.lookTimer);
    const { connection } = this;
    if (connection === undefined) return;
    await withinMs(DRAIN_MS_MAX, connection.drain()).catch(() => connection.close());
  }

  private async begin(connection: NatsConnection): Promise<void> {
    if (this.closed) {
      await connection.close();
      return;
    }
    this.connection = connection;
    this.manager = await jetstreamManager(connection, { checkAPI: false, timeout: ANSWER_MS_MAX });
    this.publisher = new Publisher(connection, this.options.publisher);
    if (this.stopWithinMs !== undefined) this.publisher.stop(this.stopWithinMs);
    await this.lookForStream();
  }

  /** Where nobody answers, what was known last stays. */
  private async lookForStream(): Promise<void> {
    await this.stream().then(
      (stream) => (this.isStreamThere = stream !== undefined),
      () => undefined,
    );
    if (this.closed) return;
    const delayMs = this.isStreamThere ? LOOK_EVERY_MS : LOOK_FOR_MISSING_MS;
    this.lookTimer = setTimeout(() => void this.lookForStream(), delayMs);
  }

  private answering(): JetStreamManager {
    if (this.manager === undefined) throw new Error('not connected yet');
    return this.manager;
  }
}
