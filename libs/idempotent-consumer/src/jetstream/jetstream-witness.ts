/**
 * What the brokers have under a stream's sequences, for a comparison with what an inbox has.
 *
 * Every question goes to the leader of the stream: a replica that stays on an older history would answer otherwise. A leader
 * that was cut off answers as well, with an older end of the stream, and must not be taken for one that lost messages. Every
 * leader hears of the others once a second, so one that has not heard of a majority for a while may have been replaced.
 */
import { type JetStreamManager, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { StreamWitness } from '../postgres/history-comparison.js';

const ANSWER_MS_MAX = 3_000;
const HEARD_NS_MAX = 4_000_000_000;
/** Questions under way at a time. */
const PARALLEL = 16;

/** Asks about one stream. */
export class JetStreamWitness implements StreamWitness {
  private manager: JetStreamManager | undefined;

  /** @param apiPrefix what the account of this connection calls JetStream's API; `$JS.API` when left out */
  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
    private readonly apiPrefix?: string,
  ) {}

  /** @throws when no broker answers, or the leader has not heard of a majority of the others for a while */
  async bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }> {
    const info = await (await this.asked()).streams.info(this.stream);
    if (!hasMajority(info))
      throw new Error(
        `${info.cluster?.leader ?? 'the broker'}, which leads stream ${this.stream}, hears of no majority`,
      );
    return { firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
  }

  /** @throws when no broker answers */
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
    this.manager ??= await jetstreamManager(this.connection, {
      checkAPI: false,
      timeout: ANSWER_MS_MAX,
      ...(this.apiPrefix !== undefined && { apiPrefix: this.apiPrefix }),
    });
    return this.manager;
  }
}

/** Whether the leader has heard of enough others lately. One broker alone is its own majority. */
export function hasMajority({ cluster }: Pick<StreamInfo, 'cluster'>): boolean {
  const others = cluster?.replicas ?? [];
  const heard = others.filter(({ active, offline }) => !offline && active <= HEARD_NS_MAX);
  return heard.length + 1 > (others.length + 1) / 2;
}
