/**
 * What the brokers have under a stream's sequences, for a comparison with what the database has.
 *
 * Every question goes to the leader of the stream: a replica that stays on an older history would answer otherwise. A leader
 * that was cut off answers as well, with an older end of the stream, and must not be taken for one that lost messages.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { jetStreamApi } from './jetstream-api.js';
import { hasMajority } from './stream-majority.js';

const ANSWER_MS_MAX = 3_000;
/** Questions under way at a time. */
const PARALLEL = 64;

/** Asks about one stream. */
export class StreamWitness {
  private manager: JetStreamManager | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
  ) {}

  /**
   * The first and the last sequence of the stream.
   *
   * @throws when nobody answers, or the leader has not heard of a majority of the others for a while
   */
  async bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }> {
    const info = await (await this.asked()).streams.info(this.stream);
    if (!hasMajority(info))
      throw new Error(
        `${info.cluster?.leader ?? 'the broker'}, which leads stream ${this.stream}, hears of no majority`,
      );
    return { firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
  }

  /**
   * When the messages of some sequences were published, to the millisecond.
   *
   * @returns only those that the stream has. Throws when nobody answers
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
