/** Waiting with a bound: for a condition, for an answer, or before a retry. No function leaves a timer behind. */

/** Bounds of `poll`. */
export interface PollBounds {
  /** How long to poll before giving up. */
  readonly timeoutMs: number;
  /** Pause between two probes; 50 ms when left out. */
  readonly intervalMs?: number;
  /** Gives up at once, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Bounds of `retry`. */
export interface RetryBounds {
  /** How long to start further tries; `Infinity` has no end. */
  readonly forMs: number;
  /** Pause before the next try. */
  readonly everyMs: number;
  /** Whether another try may help after this error. Without it, every error may pass. */
  readonly isPassing?: (error: unknown) => boolean;
  /** Called with the error of each try that is followed by another one. */
  readonly onFailure?: (error: unknown) => void;
}

/** An answer that did not come in time. */
export class LateError extends Error {
  override readonly name = 'LateError';
}

/**
 * Resolves after some milliseconds, or as soon as the signal aborts. If the time is not positive or the signal has
 * aborted, it resolves at once. It never rejects.
 */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true || ms <= 0) return;
  await new Promise<void>((resolve) => {
    const done = (): void => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', done);
      resolve();
    };
    const timer = setTimeout(done, ms);
    signal?.addEventListener('abort', done);
  });
}

/**
 * Calls `probe` until it returns something other than `undefined`.
 *
 * @returns that value, or `undefined` at the deadline
 * @throws what `probe` throws, and the reason of the signal
 */
export async function poll<T>(
  probe: () => Promise<T | undefined> | T | undefined,
  { timeoutMs, intervalMs = 50, signal }: PollBounds,
): Promise<T | undefined> {
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    signal?.throwIfAborted();
    const answer = await probe();
    if (answer !== undefined) return answer;
    if (performance.now() >= endsAt) return undefined;
    await pause(intervalMs, signal);
  }
}

/**
 * Calls `action`, and calls it again after each failure that may pass.
 *
 * @returns its first success
 * @throws the error of the last try, once an error does not pass or the time is over
 */
export async function retry<T>(
  action: () => Promise<T>,
  { forMs, everyMs, isPassing = () => true, onFailure = () => undefined }: RetryBounds,
): Promise<T> {
  const endsAt = performance.now() + forMs;
  for (;;) {
    try {
      return await action();
    } catch (error) {
      if (!isPassing(error) || performance.now() >= endsAt) throw error;
      onFailure(error);
      await pause(everyMs);
    }
  }
}

/**
 * Settles like `work`, or rejects with a `LateError` after some milliseconds. The work itself continues, and its result
 * is ignored.
 */
export async function withTimeout<T>(ms: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(new LateError(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Settles like `work`, or resolves with `undefined` after some milliseconds. The work itself continues, and its result
 * is ignored.
 */
export async function valueOrTimeout<T>(ms: number, work: Promise<T>): Promise<T | undefined> {
  const late = new AbortController();
  try {
    return await Promise.race([work, pause(ms, late.signal).then(() => undefined)]);
  } finally {
    late.abort();
  }
}
