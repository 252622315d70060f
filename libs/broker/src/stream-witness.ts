/**
 * What the brokers have under a stream's sequences, for a comparison with what the database has.
 *
 * Every question goes to the leader of the stream: a replica that stays on an older history would answer otherwise.
 */
import type { JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import { jetStreamApi } from './jetstream-api.js';

const ANSWER_MS_MAX = 3_000;
/** Questions under way at a time. */
const PARALLEL = 16;

/** Asks about one stream. */
export class StreamWitness {
  private manager: JetStreamManager | undefined;

  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
  ) {}

  /** The first and the last sequence of the stream. Throws when nobody answers. */
  async bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }> {
    const { state } = await (await this.asked()).streams.info(this.stream);
    return { firstSeq: state.first_seq, lastSeq: state.last_seq };
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
