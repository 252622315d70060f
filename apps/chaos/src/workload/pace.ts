/** Paces a producer to a rate: a token bucket that is empty at the start, so that a run does not begin with a burst. */
import { setTimeout as elapse } from 'node:timers/promises';

/** What was missed while the system refused is caught up with for so long at most. */
const CATCH_UP_MS_MAX = 1_000;

/** See the head of this file. Turns are given in the order asked for. */
export class Pace {
  private nextAtMs: number;

  /** @param perSecond messages, more than 0 */
  constructor(
    private readonly perSecond: number,
    private readonly now: () => number = () => performance.now(),
  ) {
    this.nextAtMs = now();
  }

  /** Resolves when so many messages may be sent, or when the signal is aborted. */
  async turn(count: number, stop: AbortSignal): Promise<void> {
    const now = this.now();
    this.nextAtMs = Math.max(this.nextAtMs, now - CATCH_UP_MS_MAX);
    this.charge(count);
    await rest(this.nextAtMs - now, stop);
  }

  /** Counts messages that were sent beside a turn, or gives back those of a turn that were not (below 0). */
  charge(count: number): void {
    this.nextAtMs += (count / this.perSecond) * 1_000;
  }
}

/** Resolves after so many milliseconds, or when the signal is aborted. */
export async function rest(ms: number, stop: AbortSignal): Promise<void> {
  if (ms <= 0) return;
  await elapse(ms, undefined, { signal: stop }).catch(() => undefined);
}
