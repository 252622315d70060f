/**
 * What the brokers have under a stream's sequences, for a comparison with the database.
 *
 * Every query goes to the leader of the stream, because a replica on an older history would answer differently. A
 * leader that was cut off answers with an older end of the stream. That must not look like a stream that lost messages.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { jetStreamApi } from './jetstream-api.js';
import { hasMajority } from './stream-majority.js';

const ANSWER_MS_MAX = 3_000;
/** Queries under way at a time. */
const PARALLEL = 64;

/** Answers questions about one stream. */
export class StreamWitness {
  private manager: JetStreamManager | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
  ) {}

  /**
   * The first and the last sequence of the stream.
   *
   * @throws when no broker answers, or the leader has not heard from a majority of the others for a while
   */
  async bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }> {
    const info = await (await this.asked()).streams.info(this.stream);
    if (!hasMajority(info))
      throw new Error(
        `${info.cluster?.leader ?? 'the broker'}, which leads stream ${this.stream}, has not heard from a majority`,
      );
    return { firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
  }

  /**
   * When the messages with some sequences were published, to the millisecond.
   *
   * @returns only those that the stream has. It throws when no broker answers
   */
  async publishedAt(seqs: readonly number[]): Promise<Map<number, number>> {
    const manager = await this.asked();
    const found = new Map<number, number>();
    for (let at = 0; at < seqs.length; at += PARALLEL) {
      const asked = seqs.slice(at, at + PARALLEL);
      const messages = await Promise.all(
        asked.map((seq) => manager.streams.getMessage(this.stream, { seq })),
      );
      for (const message of messages) if (message) found.set(message.seq, message.time.getTime());
    }
    return found;
  }

  private async asked(): Promise<JetStreamManager> {
    this.manager ??= await jetStreamApi(this.connection, ANSWER_MS_MAX);
    return this.manager;
  }
}
