import { withTimeout } from '#waiting';
import type { Checked } from './publish-request.js';

/** The bounds of topics. */
export interface TopicLimits {
  /** Number of topics in all. */
  readonly topicsMax: number;
  /** Topics that one key may add at this gateway while it runs. */
  readonly addedByKeyMax: number;
}

const ASKED_EVERY_MS = 10_000;
const ASKED_MS_MAX = 1_000;
/** Keys whose number of added topics is remembered; more than a system has. */
const KEYS_MAX = 100_000;

/**
 * Bounds the number of topics. Each costs rows and memory for ever, so no client may add as many as it likes.
 *
 * A topic is known when the database counts it or an event of it passed here. An event of a known topic costs only a
 * lookup in memory. The database is asked only for a new topic, and not again for a while. If it does not answer in
 * time, the topics known here decide.
 *
 * An event beyond a bound is invalid, and its error says why. The condition does not pass by itself, so a client that
 * retried would do so for ever.
 */
export class TopicBounds {
  private readonly known = new Set<string>();
  private readonly addedBy = new Map<string, number>();
  private askedAtMs = -Infinity;
  private asking: Promise<void> | undefined;

  /** @param read returns the topics that the database knows, up to a number */
  constructor(
    private readonly limits: TopicLimits,
    private readonly read: (topicsMax: number) => Promise<readonly string[]>,
  ) {}

  /**
   * Marks events as invalid whose topics would be too many.
   *
   * @param keyId `undefined` where keys are not required: then only the total bound holds
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

  /** Says why a topic cannot be added; otherwise adds it. */
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
        // The next new topic asks again.
        this.askedAtMs = -Infinity;
      },
    );
    return this.asking;
  }
}
