/** Waiting with a bound: every wait of the judge ends, and its error says what it waited for. */
import { setTimeout as sleep } from 'node:timers/promises';

const INTERVAL_MS = 50;

/** The time was up. */
export class DeadlineError extends Error {
  override readonly name = 'DeadlineError';
}

/** Bounds of one wait. */
export interface UntilOptions {
  readonly timeoutMs: number;
  /** What is waited for, for the message: "nats-2 to be started again". */
  readonly what: string;
  /** Pause between two probes; 50 ms when left out. */
  readonly intervalMs?: number;
  /** Gives up with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/**
 * Asks repeatedly until the answer is neither undefined nor false, and returns it. An `ask` that throws has no answer
 * yet. Throws `DeadlineError` when the time is up, with the last error as its cause.
 */
export async function until<T>(
  ask: () => T | undefined | false | Promise<T | undefined | false>,
  { timeoutMs, what, intervalMs = INTERVAL_MS, signal }: UntilOptions,
): Promise<T> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    let cause: unknown;
    try {
      const answer = await ask();
      if (answer !== undefined && answer !== false) return answer;
    } catch (error) {
      cause = error;
    }
    if (performance.now() >= endsAt) {
      const last = cause === undefined ? '' : ` (${describeError(cause)})`;
      throw new DeadlineError(`waited ${timeoutMs / 1_000} s for ${what}${last}`, { cause });
    }
    await sleep(intervalMs);
  }
}

/** The promise's own end, or `DeadlineError` at `timeoutMs`; a later end is ignored. */
export async function withTimeout<T>(promise: Promise<T>, timeoutMs: number, what: string): Promise<T> {
  const ended = new AbortController();
  const late = sleep(timeoutMs, undefined, { signal: ended.signal }).then(() => {
    throw new DeadlineError(`waited ${timeoutMs / 1_000} s for ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    ended.abort();
  }
}

/** The message of anything that was thrown. */
export function describeError(error: unknown): string {
  // A refused connection to a name with several addresses is an AggregateError without a message.
  if (error instanceof AggregateError && error.message === '')
    return error.errors.map(describeError).join('; ');
  return error instanceof Error ? error.message : String(error);
}
