import type { NatsConnection } from '@nats-io/nats-core';
import {
  type BrokerAddress,
  BrokerWatch,
  type BrokerWatchOptions,
  type ConsumerInfo,
  isUnanswered,
  MovableConnection,
  Publisher,
  type StreamInfo,
  type StreamMessage,
  StreamReader,
  StreamWitness,
  type Publication,
  type PublicationOrigin,
  type PublisherOptions,
  type PublishOutcome,
  type Replay,
  ReplayPublisher,
} from '#broker';
import { pause, withTimeout } from '#waiting';
import { GrowingFigure } from './stats/growing-figure.js';

/** The address of the brokers, and the stream and consumer to use. */
export interface BrokerLinkOptions {
  readonly address: BrokerAddress;
  readonly consumer: string;
  readonly publisher: Omit<PublisherOptions, 'watch'>;
  /** Called whenever the connection has left a broker that did not answer. */
  readonly onMoved?: BrokerWatchOptions['onMoved'];
}

/** What a link does. */
export interface LinkActivity {
  /** The broker that it is or was connected to. */
  readonly broker: string | undefined;
  readonly state: 'connected' | 'unanswered' | 'disconnected';
  /** Events that are being published. */
  readonly held: number;
  /** Events that the brokers have acknowledged since the start, as new or as duplicates. */
  readonly messages: number;
}

const ANSWER_MS_MAX = 2_500;
const CONNECT_AGAIN_MS = 250;
const DRAIN_MS_MAX = 1_500;
/** How long one replay is tried. A gateway that stops waits for its answers a little longer. */
const REPLAY_MS_MAX = 5_000;
/** How long one refusal counts as a sign that the stream is full. */
const FULL_MS_MAX = 30_000;
/** How often the stream is checked, while it exists and while it does not. */
const CHECK_EVERY_MS = 5_000;
const CHECK_MISSING_EVERY_MS = 500;

/**
 * The gateway's connection to the brokers, with its publisher and its queries.
 *
 * A broker that answers no publish or no query for some seconds is left for the next one.
 *
 * The gateway starts while no broker answers. Until the first connection stands, publishing is unavailable and queries
 * fail. From then on, the connection is restored by itself.
 */
export class BrokerLink {
  private connection: NatsConnection | undefined;
  private publisher: Publisher | undefined;
  private replayPublisher: ReplayPublisher | undefined;
  private reader: StreamReader | undefined;
  private publishWatch: BrokerWatch | undefined;
  private questionWatch: BrokerWatch | undefined;
  private fullUntilMs = 0;
  private publishing = 0;
  private taken = 0;
  private streamWitness: StreamWitness | undefined;
  private isStreamThere = false;
  private checkTimer: NodeJS.Timeout | undefined;
  private stopTimeoutMs: number | undefined;
  private closed = false;
  /** The largest sequence of a PubAck. No valid answer about the stream ends below it. */
  readonly acknowledged = new GrowingFigure();

  constructor(private readonly options: BrokerLinkOptions) {}

  /**
   * Connects, however long that takes, until `close` is called.
   *
   * @param onFailure called for each try that failed
   */
  async connect(onFailure: (error: unknown) => void): Promise<void> {
    while (!this.closed) {
      try {
        // The client's own waiting for the first connection cannot be ended, so it is not used.
        await this.begin(await MovableConnection.open(this.options.address, { waitForFirst: false }));
        return;
      } catch (error) {
        onFailure(error);
        await pause(CONNECT_AGAIN_MS);
      }
    }
  }

  /**
   * Publishes events; see `Publisher.publishAll`. Without this check, another stream that no worker reads might take
   * them.
   */
  async publishAll(events: readonly Publication[], origin: PublicationOrigin): Promise<PublishOutcome[]> {
    if (this.publisher !== undefined && this.isStreamThere) {
      this.publishing += events.length;
      try {
        const outcomes = await this.publisher.publishAll(events, origin);
        this.remember(outcomes.at(-1));
        this.noteSequences(outcomes);
        return outcomes;
      } finally {
        this.publishing -= events.length;
      }
    }
    return events.map(() => ({ status: 'unavailable', reason: 'no_answer', retryable: true }));
  }

  /** Publishes a dead letter again; see `ReplayPublisher`. */
  async replay(replay: Replay): Promise<PublishOutcome> {
    const isStopping = this.stopTimeoutMs !== undefined;
    if (this.replayPublisher === undefined || !this.isStreamThere || isStopping)
      return { status: 'unavailable', reason: isStopping ? 'stopping' : 'no_answer', retryable: true };
    const outcome = await this.replayPublisher.publish(replay);
    this.noteSequences([outcome]);
    return outcome;
  }

  /** The stream as it is now, `undefined` when there is none. Rejects when the brokers do not answer in time. */
  async stream(): Promise<StreamInfo | undefined> {
    const reader = this.answering();
    const stream = await this.ask(() => reader.stream(this.options.publisher.stream));
    // The readiness asks for the stream. Once it says "ready", the next publish must be taken.
    this.isStreamThere = stream !== undefined;
    return stream;
  }

  /** The consumer as it is now, `undefined` when there is none. Rejects when the brokers do not answer in time. */
  async consumer(): Promise<ConsumerInfo | undefined> {
    const reader = this.answering();
    const name = { stream: this.options.publisher.stream, name: this.options.consumer };
    return this.ask(() => reader.consumer(name));
  }

  /** When the first message at or after a sequence was published; `undefined` when there is none. */
  async publishedAt(seq: number): Promise<Date | undefined> {
    const { stream, subjectPrefix } = this.options.publisher;
    const reader = this.answering();
    const message = await this.ask(() => reader.messageFrom(stream, seq, `${subjectPrefix}.>`));
    return message?.publishedAt;
  }

  /** The message with a sequence; `undefined` when the stream has none. */
  async message(seq: number): Promise<StreamMessage | undefined> {
    const reader = this.answering();
    return this.ask(() => reader.message(this.options.publisher.stream, seq));
  }

  /** What it does now, in a few figures. */
  get activity(): LinkActivity {
    const { publishing: held, taken: messages, connection } = this;
    const isFailing = (this.publishWatch?.failingMs ?? 0) + (this.questionWatch?.failingMs ?? 0) > 0;
    const state = connection === undefined ? 'disconnected' : isFailing ? 'unanswered' : 'connected';
    return { broker: connection?.info?.server_name, state, held, messages };
  }

  /** How long publishing has been failing; 0 while the last try succeeded. */
  get publishFailingMs(): number {
    return this.publishWatch?.failingMs ?? 0;
  }

  /** Whether the last events were recently refused because the stream is full. */
  get isStreamFull(): boolean {
    return performance.now() < this.fullUntilMs;
  }

  /** Shows the messages under the stream's sequences. Throws before the first connection stands. */
  witness(): StreamWitness {
    if (this.connection === undefined) throw new Error('not connected yet');
    this.streamWitness ??= new StreamWitness(this.connection, this.options.publisher.stream);
    return this.streamWitness;
  }

  /** Whether a broker answers now. Rejects when none does in time. */
  async ping(): Promise<void> {
    if (this.connection === undefined) throw new Error('not connected yet');
    await withTimeout(ANSWER_MS_MAX, this.connection.flush());
  }

  /** Starts no more publishes, and ends those under way within a time. */
  stopPublishing(timeoutMsMax: number): void {
    this.stopTimeoutMs = timeoutMsMax;
    this.publisher?.stop(timeoutMsMax);
  }

  /** Closes the connection after pending messages have been sent. */
  async close(): Promise<void> {
    this.closed = true;
    clearTimeout(this.checkTimer);
    const { connection } = this;
    if (connection === undefined) return;
    await withTimeout(DRAIN_MS_MAX, connection.drain()).catch(() => connection.close());
  }

  private noteSequences(outcomes: readonly PublishOutcome[]): void {
    let largest = 0;
    for (const outcome of outcomes) {
      if (outcome.status === 'unavailable') continue;
      this.taken += 1;
      if (outcome.seq > largest) largest = outcome.seq;
    }
    if (largest > 0) this.acknowledged.note(largest);
  }

  private async begin(movable: MovableConnection): Promise<void> {
    const { connection } = movable;
    if (this.closed) {
      await connection.close();
      return;
    }
    this.connection = connection;
    this.reader = await StreamReader.of(connection, ANSWER_MS_MAX);
    const { onMoved } = this.options;
    this.questionWatch = new BrokerWatch(movable, { onMoved });
    this.publishWatch = new BrokerWatch(movable, { onMoved });
    this.publisher = new Publisher(connection, { ...this.options.publisher, watch: this.publishWatch });
    const { stream } = this.options.publisher;
    this.replayPublisher = new ReplayPublisher(connection, { stream, budgetMs: REPLAY_MS_MAX });
    if (this.stopTimeoutMs !== undefined) this.publisher.stop(this.stopTimeoutMs);
    await this.checkStream();
  }

  /** When no broker answers, the last known state stays. */
  private async checkStream(): Promise<void> {
    await this.stream().catch(() => undefined);
    if (this.closed) return;
    const delayMs = this.isStreamThere ? CHECK_EVERY_MS : CHECK_MISSING_EVERY_MS;
    this.checkTimer = setTimeout(() => void this.checkStream(), delayMs);
  }

  private remember(last: PublishOutcome | undefined): void {
    const isFull = last?.status === 'unavailable' && last.reason === 'stream_full';
    this.fullUntilMs = isFull ? performance.now() + FULL_MS_MAX : 0;
  }

  private async ask<T>(question: () => Promise<T>): Promise<T> {
    const askedMs = performance.now();
    try {
      const answer = await withTimeout(ANSWER_MS_MAX, question());
      this.questionWatch?.answered();
      return answer;
    } catch (error) {
      if (isUnanswered(error)) this.questionWatch?.unanswered(performance.now() - askedMs);
      else this.questionWatch?.answered();
      throw error;
    }
  }

  private answering(): StreamReader {
    if (this.reader === undefined) throw new Error('not connected yet');
    return this.reader;
  }
}
