/**
 * What the brokers know of streams, their consumers and their messages. Reading never changes anything.
 *
 * Programs query JetStream's API only here; topology.ts changes streams and consumers. For something that does not
 * exist the answer is `undefined`. The brokers' own error is thrown when they refuse or do not answer.
 */
import type { ConsumerInfo, JetStreamManager, StoredMsg, StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { jetStreamErrorCode } from './availability.js';
import { jetStreamApi } from './jetstream-api.js';

export type { ConsumerInfo, StreamInfo };

/** The name of a consumer and of its stream. */
export interface ConsumerName {
  readonly stream: string;
  readonly name: string;
}

/** A message as the stream keeps it. */
export interface StreamMessage {
  readonly seq: number;
  readonly subject: string;
  readonly data: Uint8Array;
  readonly publishedAt: Date;
  /** The first value of a header, or `undefined` when there is none or it is empty. */
  header(name: string): string | undefined;
}

export const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;

/** Reads from the brokers of one connection. */
export class StreamReader {
  private constructor(private readonly manager: JetStreamManager) {}

  /**
   * Prepares to read, without a request.
   *
   * @param connection one of `connectBroker`'s
   * @param answerMsMax how long to wait for an answer; 5,000 when left out
   */
  static async of(connection: NatsConnection, answerMsMax?: number): Promise<StreamReader> {
    return new StreamReader(await jetStreamApi(connection, answerMsMax));
  }

  /** A stream; `undefined` when there is none. */
  stream(name: string): Promise<StreamInfo | undefined> {
    return streamInfo(this.manager, name);
  }

  /** A stream with all of its deleted sequences. Throws the brokers' own error when there is none. */
  streamInDetail(name: string): Promise<StreamInfo> {
    return this.manager.streams.info(name, { deleted_details: true });
  }

  /** A consumer; `undefined` when there is none. */
  consumer(name: ConsumerName): Promise<ConsumerInfo | undefined> {
    return consumerInfo(this.manager, name);
  }

  /** The message with a sequence; `undefined` when the stream has none. */
  async message(stream: string, seq: number): Promise<StreamMessage | undefined> {
    return asMessage(await this.manager.streams.getMessage(stream, { seq }));
  }

  /** The first message at or after a sequence whose subject matches; `undefined` when there is none. */
  async messageFrom(stream: string, seq: number, subjects: string): Promise<StreamMessage | undefined> {
    // The client's type allows only one of the two in a literal.
    const query = { seq, next_by_subj: subjects };
    return asMessage(await this.manager.streams.getMessage(stream, query));
  }
}

/** Asks for a stream; `undefined` when there is none. */
export async function streamInfo(manager: JetStreamManager, name: string): Promise<StreamInfo | undefined> {
  return manager.streams.info(name).catch((error: unknown) => absent(error, STREAM_NOT_FOUND));
}

/** Asks for a consumer; `undefined` when there is none. */
export async function consumerInfo(
  manager: JetStreamManager,
  { stream, name }: ConsumerName,
): Promise<ConsumerInfo | undefined> {
  return manager.consumers.info(stream, name).catch((error: unknown) => absent(error, CONSUMER_NOT_FOUND));
}

/** Returns `undefined` for the error of something that does not exist, and throws any other. */
export function absent(error: unknown, code: number): undefined {
  if (jetStreamErrorCode(error) === code) return undefined;
  throw error;
}

function asMessage(stored: StoredMsg | null): StreamMessage | undefined {
  if (stored === null) return undefined;
  const { seq, subject, data, time } = stored;
  return {
    seq,
    subject,
    data,
    publishedAt: time,
    // The client returns an empty text for a missing header.
    header: (name) => stored.header.get(name) || undefined,
  };
}
