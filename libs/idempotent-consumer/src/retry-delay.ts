/** How long an event waits that failed by itself. */

const RETRY_DELAY_MS_MAX = 60_000;
const JITTER_SHARE = 0.5;

/**
 * The delay doubles with each attempt, up to a bound. It gets up to a half longer at random, so that events that failed
 * together do not all come back together.
 *
 * @param attempts that have failed, from 1 on
 * @param firstMs the delay behind the first
 */
export function retryDelayMs(attempts: number, firstMs: number, random = Math.random): number {
  const grownMs = Math.min(firstMs * 2 ** (attempts - 1), RETRY_DELAY_MS_MAX);
  return Math.round(grownMs * (1 + JITTER_SHARE * random()));
}
