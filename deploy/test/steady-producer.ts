/**
 * A producer that retries. It sends the same events until a gateway has them, and changes to the next gateway when one
 * refuses or does not answer. It notes how long no gateway took anything.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type BackgroundWork, inBackground } from '#testing';

const EVENTS_PER_REQUEST = 20;
const PAUSE_MS = 20;
/** This is longer than a gateway's own tries. */
const ANSWER_MS_MAX = 25_000;
/** For how long what was begun is sent again after the end. */
const LAST_MS_MAX = 45_000;
const TOPICS = ['orders', 'payments', 'logs.app'];

/** Counts the acknowledged events. It ends with its test. */
export class SteadyProducer {
  /** Number of different events that a gateway has acknowledged. */
  accepted = 0;
  /** The longest time between two acknowledgements. */
  longestGapMs = 0;
  /** Answers other than 202, and requests without any. */
  refusals = 0;
  private readonly running: BackgroundWork<void>;
  private lastAcceptedAt = performance.now();

  /** @param gateways called for each request, because a restarted gateway may have another port */
  constructor(
    private readonly gateways: () => readonly string[],
    private readonly prefix = 'e',
  ) {
    this.running = inBackground((over) => this.run(over));
  }

  /** Resolves when everything that was begun is acknowledged. */
  stop(): Promise<void> {
    return this.running.end();
  }

  private async run(over: AbortSignal): Promise<void> {
    let endsAt = Infinity;
    over.addEventListener('abort', () => (endsAt = performance.now() + LAST_MS_MAX));
    for (let tries = 0, numbered = 0; !over.aborted; numbered += EVENTS_PER_REQUEST) {
      const body = JSON.stringify(
        Array.from({ length: EVENTS_PER_REQUEST }, (_, n) => eventOf(this.prefix, numbered + n)),
      );
      while (!(await this.isTaken(body, tries++))) {
        if (performance.now() > endsAt) throw new Error(`no gateway has taken ${body}`);
        this.refusals++;
        await pause(PAUSE_MS);
      }
      this.accepted += EVENTS_PER_REQUEST;
      const now = performance.now();
      this.longestGapMs = Math.max(this.longestGapMs, now - this.lastAcceptedAt);
      this.lastAcceptedAt = now;
      await pause(PAUSE_MS);
    }
  }

  private async isTaken(body: string, tries: number): Promise<boolean> {
    const gateways = this.gateways();
    const url = gateways[tries % gateways.length];
    if (url === undefined) return false;
    try {
      const response = await fetch(`${url}/publish`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body,
        signal: AbortSignal.timeout(ANSWER_MS_MAX),
      });
      await response.arrayBuffer();
      return response.status === 202;
    } catch {
      return false;
    }
  }
}

function eventOf(prefix: string, number: number): unknown {
  return {
    topic: TOPICS[number % TOPICS.length],
    event_id: `${prefix}-${number}`,
    timestamp: '2026-11-22T10:00:00Z',
    source: 'steady',
    payload: { number },
  };
}
