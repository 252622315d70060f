import type { Via } from '../history/operation.js';
import type { Poison } from './message.js';
import type { Random } from './random.js';

/**
 * HTTP has no subject that a body could contradict, and text that is not JSON refuses a whole lenient batch. A document
 * has no field that it must have.
 */
const KINDS: Readonly<Record<Via, readonly Poison[]>> = {
  http: ['not_json', 'nul', 'missing_field'],
  http_batch: ['not_json', 'nul', 'missing_field'],
  http_lenient: ['nul', 'missing_field'],
  bulk: ['not_json', 'nul'],
  cloudevents: ['not_json', 'nul', 'missing_field'],
  nats: ['not_json', 'wrong_subject', 'nul', 'missing_field'],
};

/** Messages between two that are too large, because each has the size of a thousand others. */
const TOO_LARGE_EVERY = 3_000;
/** One invalid event refuses all of a request. */
const STRICT = new Set<Via>(['http_batch', 'cloudevents']);
/** One invalid event is refused alone. */
const LENIENT = new Set<Via>(['http_lenient', 'bulk']);
/** A strict batch is poisoned this many times as often as a single message, whatever its length. */
const STRICT_BATCH_FACTOR = 2;
const LENIENT_FACTOR = 3;

/** Whether a kind of poison is the same poison over this way. Over another one it may be a valid event. */
export function carries(via: Via, poison: Poison): boolean {
  return poison === 'too_large' || KINDS[via].includes(poison);
}

/**
 * Decides which messages are poison, and of what kind.
 *
 * Over NATS the brokers acknowledge poison and the worker turns it into a dead letter. Over HTTP the gateway refuses
 * it, in a strict batch together with its neighbours. So a strict batch seldom gets poison, and at most one. A lenient
 * batch gets more than its share. Over all ways together the share is about right.
 */
export class Poisoner {
  private sinceTooLarge = 0;

  /** @param share of poison among all messages, 0 to 1 */
  constructor(
    private readonly random: Random,
    private readonly share: number,
  ) {}

  /** The kind of poison of each message of an operation; undefined for a valid event. */
  choose(via: Via, count: number): (Poison | undefined)[] {
    if (STRICT.has(via)) {
      const poisoned = this.random.chance(this.share * STRICT_BATCH_FACTOR)
        ? this.random.between(0, count - 1)
        : -1;
      return Array.from({ length: count }, (_, index) => (index === poisoned ? this.kind(via) : this.pass()));
    }
    const share = LENIENT.has(via) ? this.share * LENIENT_FACTOR : this.share;
    return Array.from({ length: count }, () => (this.random.chance(share) ? this.kind(via) : this.pass()));
  }

  private kind(via: Via): Poison {
    if (this.sinceTooLarge >= TOO_LARGE_EVERY) {
      this.sinceTooLarge = 0;
      return 'too_large';
    }
    this.sinceTooLarge += 1;
    return this.random.pick(KINDS[via]);
  }

  private pass(): undefined {
    this.sinceTooLarge += 1;
    return undefined;
  }
}
