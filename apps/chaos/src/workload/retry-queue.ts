import type { Via } from '../history/operation.js';
import { BoundedQueue } from './bounded-queue.js';
import type { Message } from './message.js';
import { carries } from './poisoner.js';
import type { Random } from './random.js';

/** A message on its way, and how often it was sent before. */
export interface Trial {
  readonly message: Message;
  readonly retries: number;
}

interface Waiting extends Trial {
  readonly dueAtMs: number;
}

type Way = 'http' | 'nats';

const CROWDED = 5_000;
/** Beyond `CROWDED`, only those come that were already in flight. */
const CAPACITY = 20_000;
const WAIT_MS_MIN = 500;
const WAIT_MS_MAX = 8_000;

/**
 * Messages of unknown outcome, to be sent again with the same id, as a correct producer does.
 *
 * An event goes out again over HTTP or NATS, and through any door, regardless of its first way. Poison stays on its way,
 * and goes only through doors where it is poison. It goes alone, because in a strict batch it would refuse its
 * neighbours. After the last try a message stays unknown. The queue is bounded: from `isCrowded` on, the workload sends nothing new.
 */
export class RetryQueue {
  private readonly queues: Readonly<Record<Way, BoundedQueue<Waiting>>> = {
    http: new BoundedQueue(CAPACITY),
    nats: new BoundedQueue(CAPACITY),
  };

  /** @param retriesMax how often a message is sent again */
  constructor(
    private readonly random: Random,
    private readonly retriesMax: number,
  ) {}

  /** Whether the queue is long enough that nothing new should be sent. */
  get isCrowded(): boolean {
    return this.length >= CROWDED;
  }

  /** Messages that wait. */
  get length(): number {
    return this.queues.http.length + this.queues.nats.length;
  }

  /**
   * Takes a message that was sent over `via`; false when it is given up.
   *
   * @param trial as it was sent, not counting the retry to come
   */
  add({ message, retries }: Trial, via: Via, nowMs: number): boolean {
    if (retries >= this.retriesMax) return false;
    const way = message.poison === undefined ? this.random.pick<Way>(['http', 'nats']) : wayOf(via);
    const waitMs = Math.min(WAIT_MS_MAX, WAIT_MS_MIN * 2 ** retries);
    return this.queues[way].push({ message, retries: retries + 1, dueAtMs: nowMs + waitMs });
  }

  /**
   * The messages to send next over `via`, at most `max`; none when none is due. A later one waits for those before it,
   * and for poison that goes through another door.
   */
  take(via: Via, max: number, nowMs: number): Trial[] {
    const queue = this.queues[wayOf(via)];
    const taken: Trial[] = [];
    while (taken.length < max) {
      const next = queue.at(0);
      if (next === undefined || next.dueAtMs > nowMs) break;
      const { poison } = next.message;
      const isPoison = poison !== undefined;
      if (isPoison && (taken.length > 0 || !carries(via, poison))) break;
      queue.shift();
      taken.push(next);
      if (isPoison) break;
    }
    return taken;
  }
}

function wayOf(via: Via): Way {
  return via === 'nats' ? 'nats' : 'http';
}
