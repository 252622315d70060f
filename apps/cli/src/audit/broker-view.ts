/**
 * What the brokers know of the stream and its consumer.
 *
 * During an election the brokers answer with errors. Such a request is repeated up to a bound. A missing stream is an
 * answer and not an error.
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

/** The present state of the stream. */
export interface StreamState {
  /** The identity in its metadata. */
  readonly identity: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly messages: number;
  readonly deleted: readonly SequenceRange[];
}

/** The present state of the consumer. */
export interface ConsumerState {
  /** Every message up to this sequence is acknowledged. */
  readonly ackFloor: number;
  /** Messages that are not acknowledged, delivered or not. */
  readonly unsettled: number;
  readonly redelivered: number;
}

const RETRY_MS = 300;

/** Asks the brokers. The caller closes it. */
export class BrokerView {
  private isForbidden = false;

  private constructor(
    private readonly connection: NatsConnection,
    private readonly reader: StreamReader,
    private readonly answerTimeoutMs: number,
  ) {}

  /**
   * @param answerTimeoutMs how long a request is repeated before it counts as unanswered
   * @throws `CommandError` (2) when no broker answers
   */
  static async open(address: BrokerAddress, answerTimeoutMs: number): Promise<BrokerView> {
    try {
      const connection = await connectBroker(address, { waitForFirst: false });
      return new BrokerView(connection, await StreamReader.of(connection), answerTimeoutMs);
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
   * @returns `null` when the stream has no message of that sequence, `undefined` when this user may not read it
   * @throws `CommandError` (2) when there is no answer
   */
  async message(stream: string, seq: number): Promise<RawMessage | null | undefined> {
    if (this.isForbidden) return undefined;
    return this.ask(`message ${seq}`, async () => {
      try {
        return (await this.reader.message(stream, seq)) ?? null;
      } catch (error) {
        if (!isForbidden(error)) throw error;
        this.isForbidden = true;
        return undefined;
      }
    });
  }

  /** @returns `undefined` when there is no such consumer */
  async consumer(stream: string, name: string): Promise<ConsumerState | undefined> {
    const info = await this.ask(`consumer ${name}`, () => this.reader.consumer({ stream, name }));
    return info && consumerState(info);
  }

  /** The messages under the sequences of a stream. @throws `CommandError` (2) when there is no answer */
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
      forMs: this.answerTimeoutMs,
      everyMs: RETRY_MS,
      isPassing: (error: unknown) => !isRefused(error),
    };
    return retry(question, bounds).catch((error: unknown) => {
      throw new CommandError(`the brokers do not answer what ${what} is: ${errorLine(error)}`, 2, {
        cause: error,
      });
    });
  }
}

function streamState(info: StreamInfo): StreamState {
  const { state } = info;
  // The client's type promises this field, but the server leaves it out when there is none.
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
