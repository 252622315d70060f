import { validTopicOf } from '#contracts';
import type { WorkerSettings } from '#config';
import type { Decoder, Delivery } from '#idempotent-consumer';
import type { Decider } from '#idempotent-consumer/parts';
import { countTopics, type Queryable, topicsKnownAmong } from '#store';

/** Under which dead letters are counted whose topic would be one too many. No event can have such a topic. */
export const TOO_MANY_TOPICS = '(too-many)';

/**
 * Bounds the topics that are stored, with those of direct producers. Each costs rows and memory for ever.
 *
 *   known here ────────────────────────────────────▶ stored
 *   known to the database, or there is room for it ─▶ stored, and known here
 *   otherwise ─────────────────────────────────────▶ dead letter `too_many_topics`, counted under `(too-many)`
 *
 * An event of a known topic costs a lookup in memory. Only a batch with a topic that is new to this process asks the
 * database. No event is refused for what this process remembers, because another worker may know its topic. Workers
 * that meet new topics at the same moment may exceed the bound, by as many as they have in flight.
 *
 * While the database does not answer, every topic passes. Its events are stored when the database is back.
 */
export class TopicBound {
  /** Subjects, so that no topic has to be cut out of one. */
  private readonly known = new Set<string>();
  private readonly refused = new WeakSet<Delivery>();
  /** Until then, no delivery is looked up in them. */
  private hasRefused = false;
  /** Topics never become fewer, so they are not counted again. */
  private isFull = false;

  constructor(
    private readonly settings: Pick<WorkerSettings, 'SEKALI_SUBJECT_PREFIX' | 'SEKALI_STORED_TOPICS_MAX'>,
    private readonly database: Queryable,
  ) {}

  /** A decoder that makes dead letters of refused deliveries. */
  decoder<E>(decode: Decoder<E>): Decoder<E> {
    return (delivery) => {
      const decoded = decode(delivery);
      if (!this.hasRefused || !this.refused.has(delivery)) return decoded;
      if (!decoded.ok && 'ignored' in decoded) return decoded;
      const eventId = decoded.ok ? decoded.message.eventId : decoded.poison.eventId;
      const detail = `there are ${this.settings.SEKALI_STORED_TOPICS_MAX} topics already: publish to one of them, or raise SEKALI_STORED_TOPICS_MAX`;
      const poison = { delivery, topic: TOO_MANY_TOPICS, reason: 'too_many_topics', detail };
      return { ok: false, poison: { ...poison, ...(eventId !== undefined && { eventId }) } };
    };
  }

  /** Decides after the topics of the deliveries were inspected. */
  decider(inner: Decider): Decider {
    return {
      isSlow: (streamId, seq) => inner.isSlow(streamId, seq),
      suspectsAmong: (streamId, deliveries) => inner.suspectsAmong(streamId, deliveries),
      process: async (streamId, deliveries) => {
        await this.inspect(deliveries);
        return inner.process(streamId, deliveries);
      },
      processSuspect: async (streamId, delivery) => {
        await this.inspect([delivery]);
        return inner.processSuspect(streamId, delivery);
      },
    };
  }

  private async inspect(deliveries: readonly Delivery[]): Promise<void> {
    const unknown = deliveries.filter(({ subject }) => !this.known.has(subject));
    if (unknown.length === 0) return;
    const topics = new Set<string>();
    for (const { subject } of unknown) {
      const topic = this.validTopic(subject);
      if (topic !== undefined) topics.add(topic);
    }
    if (topics.size === 0) return;
    const admitted = await this.admittedAmong([...topics]).catch(() => undefined);
    if (admitted === undefined) return;
    for (const delivery of unknown) {
      const topic = this.validTopic(delivery.subject);
      if (topic === undefined) continue;
      if (admitted.has(topic)) this.known.add(delivery.subject);
      else this.refuse(delivery);
    }
  }

  private async admittedAmong(topics: readonly string[]): Promise<ReadonlySet<string>> {
    const admitted = new Set(await topicsKnownAmong(this.database, topics));
    const others = topics.filter((topic) => !admitted.has(topic));
    if (others.length === 0 || this.isFull) return admitted;
    const room = this.settings.SEKALI_STORED_TOPICS_MAX - (await countTopics(this.database));
    this.isFull = room <= 0;
    const tooMany = others.splice(Math.max(0, room));
    // Another worker may have added some of them before they were counted.
    if (tooMany.length > 0) others.push(...(await topicsKnownAmong(this.database, tooMany)));
    for (const topic of others) admitted.add(topic);
    return admitted;
  }

  private refuse(delivery: Delivery): void {
    this.hasRefused = true;
    this.refused.add(delivery);
  }

  /** An event without a valid topic is a dead letter in any case. */
  private validTopic(subject: string): string | undefined {
    return validTopicOf(this.settings.SEKALI_SUBJECT_PREFIX, subject);
  }
}
