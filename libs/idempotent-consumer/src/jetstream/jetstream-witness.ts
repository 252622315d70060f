import type { JetStreamManager, StreamInfo } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import type { StreamSearch } from '../postgres/history-comparison.js';
import { openApi } from './jetstream-api.js';

const ANSWER_MS_MAX = 3_000;
/** The longest silence of a replica on an idle machine was 0.65 s. */
const HEARD_NS_MAX = 4_000_000_000;
/** The number of questions at a time. */
const PARALLEL = 64;

/**
 * Reports what the brokers have under the sequences of one stream, for a comparison with an inbox.
 *
 * Every question goes to the leader of the stream, because a replica may have an older history. A leader that
 * was cut off answers as well, with an older end of the stream. It must not be mistaken for a stream that
 * lost messages. Leaders hear from their replicas once a second, so a leader that has lately not heard from a
 * majority may have been replaced.
 */
export class JetStreamWitness implements StreamSearch {
  private manager: JetStreamManager | undefined;

  /** @param apiPrefix the API prefix of JetStream in the connection's account; the default is `$JS.API` */
  constructor(
    private readonly connection: NatsConnection,
    private readonly stream: string,
    private readonly apiPrefix?: string,
  ) {}

  /**
   * Returns the bounds of the stream.
   *
   * @throws when no broker answers, or the leader has lately not heard from a majority of the replicas
   */
  async bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }> {
    const info = await (await this.asked()).streams.info(this.stream);
    if (!hasMajority(info))
      throw new Error(
        `${info.cluster?.leader ?? 'the broker'}, which leads stream ${this.stream}, does not hear from a majority`,
      );
    return { firstSeq: info.state.first_seq, lastSeq: info.state.last_seq };
  }

  /** Returns the publishing times of messages, in milliseconds, by sequence. @throws when no broker answers */
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

  /** Returns the first message at or after a sequence whose subject matches. @throws when no broker answers */
  async nextAt(seq: number, subject = '>'): Promise<{ seq: number; publishedMs: number } | undefined> {
    const { streams } = await this.asked();
    // The brokers take both members, which the client's type does not say.
    const query: { seq: number; next_by_subj: string } = { seq, next_by_subj: subject };
    const message = await streams.getMessage(this.stream, query);
    return message ? { seq: message.seq, publishedMs: message.time.getTime() } : undefined;
  }

  private async asked(): Promise<JetStreamManager> {
    this.manager ??= await openApi(this.connection, this.apiPrefix, ANSWER_MS_MAX);
    return this.manager;
  }
}

/**
 * Whether the leader has lately heard from a majority, itself included. A broker that stands alone is its own
 * majority.
 */
export function hasMajority({ cluster }: Pick<StreamInfo, 'cluster'>): boolean {
  const others = cluster?.replicas ?? [];
  const heard = others.filter(({ active, offline }) => !offline && active <= HEARD_NS_MAX);
  return heard.length + 1 > (others.length + 1) / 2;
}
