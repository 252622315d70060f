/** Waiting in tests: for a condition with a deadline, never for time. */
import { inspect } from 'node:util';
import { pause } from '#waiting';

const INTERVAL_MS = 25;

/** What `waitFor` returns: what the condition gave once it was true. */
export type Met<T> = Exclude<T, false | 0 | '' | null | undefined>;

/** Bounds of one wait. */
export interface WaitOptions {
  /** Fail after this long. */
  readonly timeoutMs: number;
  /** What is waited for, for the message: `20 events to be stored`. */
  readonly describe: string;
  /** Pause between two looks; 25 ms when left out. */
  readonly intervalMs?: number;
}

/**
 * Asks `condition` again and again until it gives something true, and returns that. A condition that throws is not
 * met yet: a service that restarts refuses connections for a while.
 *
 * @throws at the deadline, with what was waited for and what the condition gave last
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
