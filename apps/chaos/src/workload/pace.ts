import { setTimeout as elapse } from 'node:timers/promises';

/** The time that is caught up with, at most, after the system refused. */
const CATCH_UP_MS_MAX = 1_000;

/**
 * Paces a producer to a rate. It is a token bucket that is empty at the start, so that a run does not begin with a
 * burst. Requests are granted in their order.
 */
export class Pace {
  private nextAtMs: number;

  /** @param perSecond messages, more than 0 */
  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.nextAtMs = now();
  }

  /** Resolves when this many messages may be sent, or when the signal is aborted. */
  async turn(count: number, stop: AbortSignal): Promise<void> {
    const now = this.now();
    this.nextAtMs = Math.max(this.nextAtMs, now - CATCH_UP_MS_MAX);
    this.charge(count);
    await rest(this.nextAtMs - now, stop);
  }

  /** Counts messages that were sent without a grant. Gives back those of a grant that were not sent (below 0). */
  charge(count: number): void {
    this.nextAtMs += (count / this.perSecond) * 1_000;
  }
}

/** Resolves after this many milliseconds, or when the signal is aborted. */
export async function rest(ms: number, stop: AbortSignal): Promise<void> {
  if (ms <= 0) return;
  await elapse(ms, undefined, { signal: stop }).catch(() => undefined);
}
