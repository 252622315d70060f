const RETRY_DELAY_MS_MAX = 60_000;
const JITTER_SHARE = 0.5;

/**
 * Returns how long an event waits after it failed alone: exponential backoff with jitter.
 *
 * The delay doubles with each attempt, up to one minute. A random part of up to half the delay is added, so
 * that events that failed together do not come back together.
 *
 * @param attempts failed attempts, from 1 on
 * @param firstMs the delay after the first attempt, in milliseconds
 * @returns the delay in milliseconds
 */
export function retryDelayMs(attempts: number, firstMs: number, random = Math.random): number {
  const grownMs = Math.min(firstMs * 2 ** (attempts - 1), RETRY_DELAY_MS_MAX);
  return Math.round(grownMs * (1 + JITTER_SHARE * random()));
}
