/** Waiting for a condition, never for time: every wait has a deadline and can be given up. */
import { setTimeout as sleep } from 'node:timers/promises';

/** Bounds of one wait. */
export interface WaitBounds {
  /** Give up after this long. */
  readonly timeoutMs: number;
  /** Pause between two looks. Default 50. */
  readonly intervalMs?: number;
  /** Gives up at once, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks `probe` until it answers something other than `undefined`, and returns that.
 * Returns `undefined` at the deadline; throws what `probe` throws, and the reason of `signal`.
 */
export async function waitFor<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  { timeoutMs, intervalMs = 50, signal }: WaitBounds,
): Promise<T | undefined> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() >= endsAt) return undefined;
    await sleep(intervalMs);
  }
}

/** Settles like `promise`, or with `undefined` after `timeoutMs`. Leaves no timer behind. */
export async function within<T>(promise: Promise<T>, timeoutMs: number): Promise<T | undefined> {
  const timer = new AbortController();
  try {
    return await Promise.race([
      promise,
      sleep(timeoutMs, undefined, { signal: timer.signal }).catch(() => undefined),
    ]);
  } finally {
    timer.abort();
  }
}
