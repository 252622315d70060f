/**
 * What at-least-once producers send: unique events, and repeats of some of them, shuffled in.
 *
 * There are exactly `events` different ids and exactly `repeats` sends beyond them. A repeat comes after its first send
 * and is the same event to the last character. The same seed and run give the same sequence. Nothing is kept in memory,
 * because any event can be created again from its number.
 */
import type { OutgoingEvent } from '../producer.js';

/** What to create. */
export interface WorkloadSpecification {
  readonly events: number;
  readonly repeats: number;
  readonly topics: number;
  /** The first tokens of every topic. */
  readonly topicPrefix: string;
  readonly source: string;
  /** Names the run in every id, so that two runs have no id in common. */
  readonly run: string;
  readonly seed: number;
  /** The time of the first event, in milliseconds; each further one is a millisecond later. */
  readonly startMs: number;
  /** Give every repeat a separate message id. */
  readonly pastWindow: boolean;
}

const KINDS = ['created', 'paid', 'packed', 'shipped', 'returned'];

/** The sends, in order. */
export function* workload(specification: WorkloadSpecification): Generator<OutgoingEvent> {
  const random = seededRandom(specification.seed);
  let unique = 0;
  let repeats = 0;
  while (unique < specification.events || repeats < specification.repeats) {
    const uniqueLeft = specification.events - unique;
    const repeatsLeft = specification.repeats - repeats;
    const isRepeat = unique > 0 && random() * (uniqueLeft + repeatsLeft) < repeatsLeft;
    if (isRepeat) {
      repeats++;
      const event = eventNumber(specification, Math.floor(random() * unique));
      yield specification.pastWindow ? { ...event, messageIdSuffix: `#${repeats}` } : event;
    } else {
      yield eventNumber(specification, unique++);
    }
  }
}

function eventNumber(specification: WorkloadSpecification, number: number): OutgoingEvent {
  const random = seededRandom(specification.seed ^ Math.imul(number + 1, 0x9e3779b1));
  return {
    topic: `${specification.topicPrefix}.${number % specification.topics}`,
    event_id: `${specification.run}-${number}`,
    timestamp: new Date(specification.startMs + number).toISOString(),
    source: specification.source,
    payload: {
      number,
      kind: KINDS[Math.floor(random() * KINDS.length)],
      account: `account-${Math.floor(random() * 10_000)}`,
      amount: Math.floor(random() * 100_000),
    },
  };
}

/** Numbers from 0 to 1 that depend on the seed alone (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
