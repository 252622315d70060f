/** Creates the partitions of the coming days while a worker runs. Any number of workers may do it at once. */
import type { Pool } from 'pg';
import { errorText, type Logger } from '#observability';
import { ensurePartitions } from '#store';

const EVERY_MS = 3_600_000;

/**
 * Starts creating partitions, now and then every hour. An outage only delays it: partitions exist for a week ahead, and
 * a default partition takes the rest.
 *
 * @returns `stop` ends it
 */
export function keepPartitionsAhead(pool: Pool, logger: Logger): { stop(): void } {
  const keep = (): void => {
    ensurePartitions(pool).then(
      (created) => {
        if (created.length > 0) logger.info({ created }, 'partitions created');
      },
      (error: unknown) => {
        logger.warn({ reason: errorText(error) }, 'partitions could not be created; trying again in an hour');
      },
    );
  };
  keep();
  const timer = setInterval(keep, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
    },
  };
}
