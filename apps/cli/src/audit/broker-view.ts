/**
 * What the brokers know of the stream and its consumer.
 *
 * During an election they answer with errors; such an answer is asked for again within a bound. What is not
 * there (no stream) is an answer, not an error.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import {
  type BrokerAddress,
  connectBroker,
  type ConsumerInfo,
  isForbidden,
  isRefused,
  streamIdentity,
  type StreamInfo,
  StreamReader,
  StreamWitness,
} from '#broker';
import type { RawMessage } from '#contracts';
import type { StreamWitness as HistoryWitness } from '#idempotent-consumer/postgres';
import { retry } from '#waiting';
import { CommandError, errorLine } from '../command-error.js';
import { withoutPassword } from '../target.js';
import type { SequenceRange } from './range-tally.js';
import { rangesOf } from './sequence-reconciliation.js';

/** The stream as it is. */
export interface StreamState {
  /** As its metadata says. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly deleted: readonly SequenceRange[];
}

/** The consumer as it is. */
export interface ConsumerState {
  /** Up to here everything is acknowledged. */
  readonly ackFloor: number;
  /** Delivered or not: not acknowledged. */
  readonly unsettled: number;
  readonly redelivered: number;
}

const RETRY_MS = 300;

/** Asks the brokers. Close it. */
export class BrokerView {
  private mayNotLook = false;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly reader: StreamReader,
    private readonly answerWithinMs: number,
  ) {}

  /**
   * @param answerWithinMs how long an answer is asked for again before it counts as none
   * @throws `CommandError` (2) when no broker answers
   */
  static async open(address: BrokerAddress, answerWithinMs: number): Promise<BrokerView> {
    try {
      const connection = await connectBroker(address, { waitForFirst: false });
      return new BrokerView(connection, await StreamReader.of(connection), answerWithinMs);
    } catch (error) {
      throw new CommandError(
        `no broker answers at ${withoutPassword(address.urls)} (${errorLine(error)}): is the system running? --nats names another`,
        2,
        { cause: error },
      );
    }
  }

  /** @throws `CommandError` (2) when there is no such stream or no answer */
  async stream(name: string): Promise<StreamState> {
    const info = await this.ask(`stream ${name}`, () => this.reader.streamInDetail(name));
    return streamState(info);
  }

  /**
   * @returns `null` when the stream has no message of that sequence, `undefined` when it may not be looked at
   * @throws `CommandError` (2) when there is no answer
   */
  async message(stream: string, seq: number): Promise<RawMessage | null | undefined> {
    if (this.mayNotLook) return undefined;
    return this.ask(`message ${seq}`, async () => {
      try {
        return (await this.reader.message(stream, seq)) ?? null;
      } catch (error) {
        if (!isForbidden(error)) throw error;
        this.mayNotLook = true;
        return undefined;
      }
    });
  }

  /** @returns `undefined` when there is no such consumer */
  async consumer(stream: string, name: string): Promise<ConsumerState | undefined> {
    const info = await this.ask(`consumer ${name}`, () => this.reader.consumer({ stream, name }));
    return info && consumerState(info);
  }

  /** What stands under the sequences of a stream. @throws `CommandError` (2) when there is no answer */
  witness(stream: string): HistoryWitness {
    const witness = new StreamWitness(this.connection, stream);
    const what = `stream ${stream}`;
    return {
      bounds: () => this.ask(what, () => witness.bounds()),
      publishedAt: (seqs) => this.ask(what, () => witness.publishedAt(seqs)),
    };
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  private async ask<T>(what: string, question: () => Promise<T>): Promise<T> {
    const bounds = {
      forMs: this.answerWithinMs,
      everyMs: RETRY_MS,
      isPassing: (error: unknown) => !isRefused(error),
    };
    return retry(question, bounds).catch((error: unknown) => {
      throw new CommandError(`the brokers do not say what ${what} is: ${errorLine(error)}`, 2, {
        cause: error,
      });
    });
  }
}

function streamState(info: StreamInfo): StreamState {
  const { state } = info;
  // The client's type promises it; the server leaves it out when there is none.
  const deleted = [...((state.deleted as number[] | undefined) ?? [])].sort((a, b) => a - b);
  return {
    identity: streamIdentity(info),
    firstSeq: state.first_seq,
    lastSeq: state.last_seq,
    messages: state.messages,
    deleted: rangesOf(deleted),
  };
}

function consumerState(info: ConsumerInfo): ConsumerState {
  return {
    ackFloor: info.ack_floor.stream_seq,
    unsettled: info.num_pending + info.num_ack_pending,
    redelivered: info.num_redelivered,
  };
}
