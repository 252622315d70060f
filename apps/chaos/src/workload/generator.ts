import type { Via } from '../history/operation.js';
import { BoundedQueue } from './bounded-queue.js';
import { eventIdOf, type Message } from './message.js';
import { Poisoner } from './poisoner.js';
import type { Random } from './random.js';
import { Topics } from './topics.js';

/** What the generator creates; shares are 0 to 1. */
export interface GeneratorOptions {
  /** First tokens of every topic, for example `chaos.r1a2b3`. */
  readonly topicPrefix: string;
  /** The number of topics; 40 when left out. */
  readonly topics?: number;
  /** Repeats among all messages; 0.3 when left out. At most 0.9. */
  readonly repeatShare?: number;
  /** Repeats with another payload, among the repeats; 0.05 when left out. */
  readonly conflictShare?: number;
  /** Poison among all messages; 0.01 when left out. */
  readonly poisonShare?: number;
  /** How long the brokers recognise a repeat, in milliseconds. */
  readonly duplicateWindowMs: number;
}

/** One operation to come, and the one that races it. */
export interface Plan {
  readonly messages: readonly Message[];
  /** Repeats of some of `messages`, to be sent at the same moment; empty when there is no race. */
  readonly twins: readonly Message[];
}

/** An event to repeat: its identity. */
type Identity = Pick<Message, 'topic' | 'eventId'>;
type RepeatKind = 'same_batch' | 'shortly_after' | 'late';

/** Kinds of repeat that take a place in an operation. One that is impossible at the moment becomes "shortly after". */
const REPEAT_KINDS: readonly RepeatKind[] = ['same_batch', 'shortly_after', 'late'];
/** Repeats at once among the repeats. */
const AT_ONCE_SHARE = 0.25;
const VARIANT_MAX = 3;
const RECENT_MAX = 4_096;
const LATE_MAX = 10_000;
/** Late repeats are collected a little faster than they are used, so that the queue does not become empty. */
const LATE_SURPLUS = 1.5;
/** An event is sent some time after it was planned, so the window begins and ends later. */
const LATE_MARGIN = 1.1;
const LATE_MARGIN_MS = 2_000;

/**
 * Plans what is sent: new events over topics of unequal busyness, repeats of earlier ones, and poison.
 *
 * A repeat comes in one of four ways, because each meets another defence of the system:
 *
 *   at once       a second operation at the same time, over another way    two publishes of one id race
 *   same batch    twice in one request                                     the gateway merges them
 *   shortly after one of the last few thousand events                      the brokers' duplicate window
 *   late          after the window has passed                              only the unique constraint is left
 *
 * Some repeats carry another payload. The same seed and the same calls give the same plans. What is remembered for
 * repeats is bounded, whatever the length of the run.
 */
export class Generator {
  private readonly topics: Topics;
  private readonly poisoner: Poisoner;
  private readonly recent = new BoundedQueue<Identity>(RECENT_MAX);
  private readonly late = new BoundedQueue<Identity & { readonly dueAtMs: number }>(LATE_MAX);
  private readonly lateAfterMs: number;
  private readonly freshChance: number;
  private readonly twinChance: number;
  private readonly conflictShare: number;
  private readonly lateChance: number;
  private counter = 0;

  constructor(
    private readonly random: Random,
    options: GeneratorOptions,
  ) {
    const { topics = 40, repeatShare = 0.3, conflictShare = 0.05, poisonShare = 0.01 } = options;
    this.topics = new Topics(options.topicPrefix, topics);
    this.poisoner = new Poisoner(random.fork(), poisonShare);
    this.lateAfterMs = options.duplicateWindowMs * LATE_MARGIN + LATE_MARGIN_MS;
    // A twin comes in addition to the operation, so the shares of all messages differ from those of the places in it.
    this.twinChance = Math.min(1, (repeatShare * AT_ONCE_SHARE) / (1 - repeatShare));
    this.freshChance = (1 - repeatShare) / (1 - (1 - repeatShare) * this.twinChance);
    this.conflictShare = conflictShare;
    const repeatsPerFresh = (1 - this.freshChance) / this.freshChance;
    this.lateChance = (repeatsPerFresh / REPEAT_KINDS.length) * LATE_SURPLUS;
  }

  /** Names of all topics that events of this run can have. */
  get topicNames(): readonly string[] {
    return this.topics.all.map((topic) => topic.name);
  }

  /**
   * Plans one operation.
   *
   * @param via how it will be sent; decides which poison makes sense
   * @param count messages in it, at least 1
   * @param nowMs on the clock by which the duplicate window is measured
   */
  plan(via: Via, count: number, nowMs: number): Plan {
    const messages: Message[] = [];
    const twins: Message[] = [];
    const inBatch: Identity[] = [];
    for (const poison of this.poisoner.choose(via, count)) {
      if (poison !== undefined) {
        const { topic, eventId } = this.identity('poison-');
        messages.push({ topic, eventId, variant: 0, poison });
        continue;
      }
      const isFresh = this.random.chance(this.freshChance);
      const earlier = isFresh ? undefined : this.earlier(this.random.pick(REPEAT_KINDS), inBatch, nowMs);
      const message = earlier === undefined ? this.fresh(nowMs) : this.repeat(earlier);
      if (isFresh && this.random.chance(this.twinChance)) twins.push(this.repeat(message));
      inBatch.push(message);
      messages.push(message);
    }
    return { messages, twins };
  }

  private earlier(kind: RepeatKind, inBatch: readonly Identity[], nowMs: number): Identity | undefined {
    if (kind === 'same_batch' && inBatch.length > 0) return this.random.pick(inBatch);
    if (kind === 'late' && (this.late.at(0)?.dueAtMs ?? Infinity) <= nowMs) return this.late.shift();
    return this.recent.at(this.random.between(0, Math.max(0, this.recent.length - 1)));
  }

  private fresh(nowMs: number): Message {
    const identity = this.identity('');
    this.recent.pushOver(identity);
    if (this.random.chance(this.lateChance)) {
      // When the queue is full, this event is not repeated late.
      this.late.push({ ...identity, dueAtMs: nowMs + this.lateAfterMs });
    }
    return { ...identity, variant: 0 };
  }

  private repeat({ topic, eventId }: Identity): Message {
    const variant = this.random.chance(this.conflictShare) ? this.random.between(1, VARIANT_MAX) : 0;
    return { topic, eventId, variant };
  }

  private identity(prefix: string): Identity {
    const topic = this.topics.pick(this.random);
    this.counter += 1;
    return { topic: topic.name, eventId: eventIdOf(`${prefix}${topic.number}-${this.counter}`) };
  }
}
