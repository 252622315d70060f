/** Rolls the histogram up while a worker runs. Any number of workers may do it: one at a time does. */
import type { Pool } from 'pg';
import type { Logger } from '#observability';
import { rollUpHistogram } from '#store';

const EVERY_MS = 60_000;

/**
 * Starts rolling up, every minute. An outage only delays it.
 *
 * @returns `stop` ends it
 */
export function keepHistogramSmall(pool: Pool, logger: Logger, everyMs = EVERY_MS): { stop(): void } {
  const stopped = new AbortController();
  let isWorking = false;
  const timer = setInterval(() => {
    if (isWorking) return;
    isWorking = true;
    rollUpHistogram(pool, { signal: stopped.signal })
      .catch((error: unknown) => {
        logger.warn(
          { reason: String(error) },
          'the histogram could not be rolled up; trying again in a minute',
        );
      })
      .finally(() => {
        isWorking = false;
      });
  }, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
      stopped.abort();
    },
  };
}
