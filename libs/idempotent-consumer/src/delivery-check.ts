/**
 * Whether what a session delivers comes from the history that the session began with.
 *
 *   first delivery ─ask the stream's leader─▶ the same message ─▶ trusted, and all that follow
 *                                       └───▶ another message ─▶ doubt
 *
 * The broker that leads the consumer reads its own copy of the stream, which may be of another history than the copy of
 * the stream's leader. And a sequence that is delivered for the first time although the consumer had come further means
 * that the stream or the consumer went back. A doubt costs a new session and a comparison, and nothing else.
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

/** Checks the deliveries of one session. See the head of this file. */
export class DeliveryCheck<D extends Pick<Delivery, 'seq' | 'deliveryCount' | 'publishedAt'>> {
  private state: 'fresh' | 'asking' | 'trusted' | 'doubted' = 'fresh';
  private waiting: D[] = [];
  private highest: number;

  /** @param publishedMs when the leader of the stream says that a message was published */
  constructor(
    private readonly sight: Pick<ConsumerSight, 'deliveredSeq' | 'leader'>,
    private readonly publishedMs: (seq: number) => Promise<number | undefined>,
    private readonly ears: CheckEars<D>,
  ) {
    this.highest = sight.deliveredSeq;
  }

  /** Takes a delivery; it is handed on at once or, while the first one is asked about, a moment later. */
  take(delivery: D): void {
    if (delivery.deliveryCount === 1) {
      if (delivery.seq <= this.highest) {
        this.doubt(`sequence ${delivery.seq} comes for the first time once more: the stream went back`, {
          waiting: delivery,
        });
        return;
      }
      this.highest = delivery.seq;
    }
    if (this.state === 'trusted') {
      this.ears.onTrusted(delivery);
      return;
    }
    this.waiting.push(delivery);
    if (this.state === 'fresh') void this.ask(delivery);
  }

  private async ask(first: D): Promise<void> {
    this.state = 'asking';
    try {
      const published = await this.publishedMs(first.seq);
      // Gone since, by age or by hand: nothing to compare with.
      if (published === undefined || published === first.publishedAt.getTime()) {
        this.trust();
        return;
      }
      this.doubt(
        `broker ${this.sight.leader ?? 'of the consumer'}, which leads the consumer, has another message under sequence ` +
          `${first.seq} than the leader of the stream: stop it and remove its copy of the stream`,
        { isSplit: true },
      );
    } catch (error) {
      this.doubt(error instanceof Error ? error.message : String(error));
    }
  }

  private trust(): void {
    if (this.state !== 'asking') return;
    this.state = 'trusted';
    for (const delivery of this.waiting) this.ears.onTrusted(delivery);
    this.waiting = [];
  }

  private doubt(
    reason: string,
    { waiting: last, isSplit = false }: { waiting?: D; isSplit?: boolean } = {},
  ): void {
    if (this.state === 'doubted') return;
    this.state = 'doubted';
    const waiting = last === undefined ? this.waiting : [...this.waiting, last];
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
