/** Rolls the histogram up while a worker runs. Any number of workers may do it: one at a time does. */
import type { Pool } from 'pg';
import type { Logger } from '#observability';
import { rollUpHistogram } from '#store';
import { repeatWork } from './repeated-work.js';

const EVERY_MS = 60_000;

/**
 * Starts rolling up, every minute. An outage only delays it.
 *
 * @returns `stop` ends it
 */
export function keepHistogramSmall(pool: Pool, logger: Logger, everyMs = EVERY_MS): { stop(): void } {
  const stopped = new AbortController();
  const keep = async (): Promise<void> => {
    await rollUpHistogram(pool, { signal: stopped.signal });
  };
  const keeping = repeatWork(keep, {
    everyMs,
    beginsAtOnce: false,
    onFailure: (reason) => {
      logger.warn({ reason }, 'the histogram could not be rolled up; trying again in a minute');
    },
  });
  return {
    stop: () => {
      keeping.stop();
      stopped.abort();
    },
  };
}
