/** Creates the partitions of the coming days while a worker runs. Any number of workers may do it at once. */
import type { Pool } from 'pg';
import type { Logger } from '#observability';
import { ensurePartitions } from '#store';
import { repeatWork } from './repeated-work.js';

const EVERY_MS = 3_600_000;

/**
 * Starts creating partitions, now and then every hour. An outage only delays it: partitions exist for a week ahead, and
 * a default partition takes the rest.
 *
 * @returns `stop` ends it
 */
export function keepPartitionsAhead(pool: Pool, logger: Logger): { stop(): void } {
  const keep = async (): Promise<void> => {
    const created = await ensurePartitions(pool);
    if (created.length > 0) logger.info({ created }, 'partitions created');
  };
  return repeatWork(keep, {
    everyMs: EVERY_MS,
    onFailure: (reason) => {
      logger.warn({ reason }, 'partitions could not be created; trying again in an hour');
    },
  });
}
