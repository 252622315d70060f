import { withTimeout } from '#waiting';
import type { Checked } from './publish-request.js';

/** The bounds. */
export interface TopicLimits {
  /** Topics in all. */
  readonly topicsMax: number;
  /** Topics that one key may add at this gateway while it runs. */
  readonly addedByKeyMax: number;
}

const ASKED_EVERY_MS = 10_000;
const ASKED_MS_MAX = 1_000;
/** Keys of which it is known how many topics they added; more than a system has. */
const KEYS_MAX = 100_000;

/**
 * How many topics there may be. Each costs rows and memory for ever, so nobody may make as many as he likes.
 *
 * Known is what the database counts under and what came by here. An event of a known topic passes after one look into
 * memory; the database is asked only when a new topic comes and was not asked lately, and is not waited for when it
 * does not answer: then what is known here decides.
 *
 * Of a bound that is met, the answer is that the event is invalid and why. It does not pass by itself, so a client that
 * tried again would do so for ever.
 */
export class TopicBounds {
  private readonly known = new Set<string>();
  private readonly addedBy = new Map<string, number>();
  private askedAtMs = -Infinity;
  private asking: Promise<void> | undefined;

  /** @param read the topics that the database knows, as many as are told at most */
  constructor(
    private readonly limits: TopicLimits,
    private readonly read: (topicsMax: number) => Promise<readonly string[]>,
  ) {}

  /**
   * The events of a request, those made invalid whose topics would be too many.
   *
   * @param keyId `undefined` where no keys are asked for: only the bound for all holds then
   */
  async enforce(events: readonly Checked[], keyId: string | undefined): Promise<readonly Checked[]> {
    if (events.every((event) => !event.valid || this.known.has(event.topic))) return events;
    await this.askLately();
    return events.map((event) => {
      if (!event.valid) return event;
      const refusal = this.refusal(event.topic, keyId);
      if (refusal === undefined) return event;
      const { topic, eventId } = event;
      return { valid: false, topic, eventId, errors: [{ field: 'topic', message: refusal }] };
    });
  }

  /** Says why a topic cannot be added; adds it otherwise. */
  private refusal(topic: string, keyId: string | undefined): string | undefined {
    if (this.known.has(topic)) return undefined;
    const { topicsMax, addedByKeyMax } = this.limits;
    if (this.known.size >= topicsMax) {
      return `there are ${topicsMax} topics already, and this would be one more: use one that is there, or have SEKALI_TOPICS_MAX raised`;
    }
    if (keyId !== undefined) {
      const added = this.addedBy.get(keyId) ?? 0;
      if (added >= addedByKeyMax || (added === 0 && this.addedBy.size >= KEYS_MAX)) {
        return `the key has added ${added} topics here, and this would be one more: use one that is there, or have SEKALI_TOPICS_PER_KEY_MAX raised`;
      }
      this.addedBy.set(keyId, added + 1);
    }
    this.known.add(topic);
    return undefined;
  }

  private async askLately(): Promise<void> {
    if (performance.now() - this.askedAtMs < ASKED_EVERY_MS) return this.asking;
    this.askedAtMs = performance.now();
    this.asking = withTimeout(ASKED_MS_MAX, this.read(this.limits.topicsMax)).then(
      (topics) => {
        for (const topic of topics) this.known.add(topic);
      },
      () => {
        // Asked again at the next new topic.
        this.askedAtMs = -Infinity;
      },
    );
    return this.asking;
  }
}
