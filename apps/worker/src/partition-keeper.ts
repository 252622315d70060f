/** Makes the partitions of the coming days, as long as a worker runs. Any number of workers may do it at once. */
import type { Pool } from 'pg';
import type { Logger } from '#observability';
import { ensurePartitions } from '#store';

const EVERY_MS = 3_600_000;

/** Begins; an outage only delays it, because there is a week's reserve and a default partition behind that. */
export function keepPartitionsAhead(pool: Pool, logger: Logger): { stop(): void } {
  const keep = (): void => {
    ensurePartitions(pool).then(
      (made) => {
        if (made.length > 0) logger.info({ made }, 'partitions made');
      },
      (error: unknown) => {
        logger.warn({ reason: String(error) }, 'partitions could not be made; trying again in an hour');
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
