import type { Delivery } from './delivery.js';
import type { ConsumerState } from './delivery-source.js';

/** Why deliveries are not trusted. */
export interface Doubt {
  readonly reason: string;
  /** Whether the leaders of the consumer and of the stream have different histories. */
  readonly isSplit: boolean;
}

/** What happens to checked deliveries. */
export interface CheckListener<D> {
  readonly onTrusted: (delivery: D) => void;
  /** Called once at most. `waiting` are deliveries that were not handed on. */
  readonly onDoubt: (doubt: Doubt, waiting: readonly D[]) => void;
}

/** Asks the leader of the stream. Both methods throw when it does not answer. */
export interface StreamLeader {
  /**
   * Returns when a message was published, in milliseconds, or `undefined` when the stream does not have it.
   */
  publishedMs(seq: number): Promise<number | undefined>;
  lastSeq(): Promise<number>;
}

/**
 * Checks that the deliveries of one session come from the history with which the session began.
 *
 *   first delivery ─ask the stream's leader─▶ same message ──▶ trusted, as are those that follow
 *                                       └───▶ other message ─▶ doubt
 *   newest delivery ─ask now and then───────▶ other message ─▶ doubt
 *
 * The broker that leads the consumer reads its own copy of the stream. That copy may be of another history
 * than the one of the stream's leader. A first delivery below the consumer's position means that the stream
 * or the consumer went back.
 *
 * A doubt costs a new session. The comparison at its start finds what was stored of another history, and the
 * consumer reads those sequences again.
 */
export class DeliveryCheck<D extends Pick<Delivery, 'seq' | 'deliveryCount' | 'publishedAt'>> {
  private state: 'fresh' | 'asking' | 'trusted' | 'doubted' = 'fresh';
  private waiting: D[] = [];
  private highestSeq: number;
  private newest: D | undefined;

  constructor(
    private readonly consumer: Pick<ConsumerState, 'deliveredSeq' | 'leader'>,
    private readonly stream: StreamLeader,
    private readonly listener: CheckListener<D>,
  ) {
    this.highestSeq = consumer.deliveredSeq;
  }

  /** Takes a delivery. It is handed on at once, or after the answer about the first delivery. */
  take(delivery: D): void {
    if (delivery.deliveryCount === 1) {
      if (delivery.seq <= this.highestSeq) {
        this.waiting.push(delivery);
        this.doubt(
          `sequence ${delivery.seq} is delivered for the first time again: the stream went back`,
          false,
        );
        return;
      }
      this.highestSeq = delivery.seq;
      this.newest = delivery;
    }
    if (this.state === 'trusted') {
      this.listener.onTrusted(delivery);
      return;
    }
    this.waiting.push(delivery);
    if (this.state === 'fresh') void this.askAboutFirst(delivery);
  }

  /**
   * Asks about the newest delivery, unless it was asked about before. @throws when the leader does not answer
   */
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
    // The message has left the stream, so there is nothing to compare. Or the leader never had it.
    return (await this.stream.lastSeq()) < seq;
  }

  private splitAt(seq: number): string {
    return (
      `broker ${this.consumer.leader ?? 'of the consumer'}, which leads the consumer, has another message under sequence ` +
      `${seq} than the leader of the stream: stop it and remove its copy of the stream`
    );
  }

  private trust(): void {
    if (this.state !== 'asking') return;
    this.state = 'trusted';
    for (const delivery of this.waiting) this.listener.onTrusted(delivery);
    this.waiting = [];
  }

  private doubt(reason: string, isSplit: boolean): void {
    if (this.state === 'doubted') return;
    this.state = 'doubted';
    const { waiting } = this;
    this.waiting = [];
    this.listener.onDoubt({ reason, isSplit }, waiting);
  }
}

/**
 * Compares two inspections of a consumer and its stream. @returns why the history is not the same, or
 * `undefined`
 */
export function historyDoubt(before: ConsumerState, now: ConsumerState): string | undefined {
  if (now.created !== before.created) return 'the consumer was created again';
  if (now.stream.identity !== before.stream.identity) return 'the stream was created again';
  if (now.stream.lastSeq < before.stream.lastSeq)
    return `the stream ends at ${now.stream.lastSeq}, and ended at ${before.stream.lastSeq}`;
  if (now.deliveredSeq > now.stream.lastSeq)
    return `the consumer is at ${now.deliveredSeq}, ahead of the stream, which ends at ${now.stream.lastSeq}`;
  return undefined;
}
