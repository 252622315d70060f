/**
 * Whether what a session delivers comes from the history that the session began with.
 *
 *   first delivery ─ask the stream's leader─▶ the same message ─▶ trusted, and those that follow
 *                                       └───▶ another message ─▶ doubt
 *   newest delivery ─ask now and then───────▶ another message ─▶ doubt
 *
 * The broker that leads the consumer reads its own copy of the stream, which may be of another history than the copy of
 * the stream's leader. And a sequence that is delivered for the first time although the consumer had come further means
 * that the stream or the consumer went back. A doubt costs a new session, whose comparison finds what was stored of another
 * history meanwhile, and has it read again.
 */
import type { Delivery } from './delivery.js';
import type { ConsumerSight } from './jetstream/durable-consumer.js';

/** Why deliveries are not trusted. */
export interface Doubt {
  readonly reason: string;
  /** Whether the broker that leads the consumer has another history than the one that leads the stream. */
  readonly isSplit: boolean;
}

/** Who hears of it. */
export interface CheckEars<D> {
  readonly onTrusted: (delivery: D) => void;
  /** Called once at most. `waiting` was delivered and has not been handed on. */
  readonly onDoubt: (doubt: Doubt, waiting: readonly D[]) => void;
}

/** Asks the leader of the stream. Throws when it does not answer. */
export interface StreamLeader {
  /** When a message was published; `undefined` when it does not have it. */
  publishedMs(seq: number): Promise<number | undefined>;
  lastSeq(): Promise<number>;
}

/** Checks the deliveries of one session. See the head of this file. */
export class DeliveryCheck<D extends Pick<Delivery, 'seq' | 'deliveryCount' | 'publishedAt'>> {
  private state: 'fresh' | 'asking' | 'trusted' | 'doubted' = 'fresh';
  private waiting: D[] = [];
  private highestSeq: number;
  private newest: D | undefined;

  constructor(
    private readonly sight: Pick<ConsumerSight, 'deliveredSeq' | 'leader'>,
    private readonly stream: StreamLeader,
    private readonly ears: CheckEars<D>,
  ) {
    this.highestSeq = sight.deliveredSeq;
  }

  /** Takes a delivery; it is handed on at once or, while the first one is asked about, a moment later. */
  take(delivery: D): void {
    if (delivery.deliveryCount === 1) {
      if (delivery.seq <= this.highestSeq) {
        this.waiting.push(delivery);
        this.doubt(
          `sequence ${delivery.seq} comes for the first time once more: the stream went back`,
          false,
        );
        return;
      }
      this.highestSeq = delivery.seq;
      this.newest = delivery;
    }
    if (this.state === 'trusted') {
      this.ears.onTrusted(delivery);
      return;
    }
    this.waiting.push(delivery);
    if (this.state === 'fresh') void this.askAboutFirst(delivery);
  }

  /** Asks about the newest delivery, if there is one that was not asked about. Throws when there is no answer. */
  async askAboutNewest(): Promise<void> {
    const { newest } = this;
    this.newest = undefined;
    if (newest !== undefined && (await this.isForeign(newest))) this.doubt(this.splitAt(newest.seq), true);
  }

  private async askAboutFirst(first: D): Promise<void> {
    this.state = 'asking';
    try {
      if (await this.isForeign(first)) this.doubt(this.splitAt(first.seq), true);
      else this.trust();
    } catch (error) {
      this.doubt(error instanceof Error ? error.message : String(error), false);
    }
  }

  private async isForeign({ seq, publishedAt }: D): Promise<boolean> {
    const published = await this.stream.publishedMs(seq);
    if (published !== undefined) return published !== publishedAt.getTime();
    // Gone since, by age or by hand: nothing to compare with. Or the leader never had it.
    return (await this.stream.lastSeq()) < seq;
  }

  private splitAt(seq: number): string {
    return (
      `broker ${this.sight.leader ?? 'of the consumer'}, which leads the consumer, has another message under sequence ` +
      `${seq} than the leader of the stream: stop it and remove its copy of the stream`
    );
  }

  private trust(): void {
    if (this.state !== 'asking') return;
    this.state = 'trusted';
    for (const delivery of this.waiting) this.ears.onTrusted(delivery);
    this.waiting = [];
  }

  private doubt(reason: string, isSplit: boolean): void {
    if (this.state === 'doubted') return;
    this.state = 'doubted';
    const { waiting } = this;
    this.waiting = [];
    this.ears.onDoubt({ reason, isSplit }, waiting);
  }
}

/** What two looks at a consumer and its stream say of a history that is not the same any more. */
export function historyDoubt(before: ConsumerSight, now: ConsumerSight): string | undefined {
  if (now.created !== before.created) return 'the consumer was made anew';
  if (now.stream.identity !== before.stream.identity) return 'the stream was made anew';
  if (now.stream.lastSeq < before.stream.lastSeq)
    return `the stream ends at ${now.stream.lastSeq}, and ended at ${before.stream.lastSeq}`;
  if (now.deliveredSeq > now.stream.lastSeq)
    return `the consumer is at ${now.deliveredSeq}, ahead of the stream, which ends at ${now.stream.lastSeq}`;
  return undefined;
}
