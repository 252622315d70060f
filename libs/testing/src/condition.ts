/** Tests wait for a condition with a deadline, never for time. */
import { inspect } from 'node:util';
import { pause } from '#waiting';

const INTERVAL_MS = 25;

/** The result of `waitFor`: the value of the condition once it was truthy. */
export type Met<T> = Exclude<T, false | 0 | '' | null | undefined>;

/** Bounds of one wait. */
export interface WaitOptions {
  /** Fail after this long. */
  readonly timeoutMs: number;
  /** A description for the message: `20 events to be stored`. */
  readonly describe: string;
  /** Pause between two probes; 25 ms when left out. */
  readonly intervalMs?: number;
}

/**
 * Calls `condition` until it returns a truthy value, and returns that. A condition that throws is not met yet, because
 * a service that restarts refuses connections for a while.
 *
 * @throws at the deadline, with the description and the last value
 */
export async function waitFor<T>(condition: () => T | Promise<T>, options: WaitOptions): Promise<Met<T>> {
  const { timeoutMs, describe, intervalMs = INTERVAL_MS } = options;
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    let last: unknown;
    let cause: unknown;
    try {
      const value = await condition();
      if (value) return value as Met<T>;
      last = value;
    } catch (error) {
      last = error;
      cause = error;
    }
    if (performance.now() >= endsAt) {
      const shown = inspect(last, { depth: 4, breakLength: 120 }).slice(0, 2_000);
      throw new Error(`Waited ${timeoutMs} ms for ${describe}; last seen: ${shown}`, { cause });
    }
    await pause(intervalMs);
  }
}
