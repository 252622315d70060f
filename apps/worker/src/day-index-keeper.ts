/** Builds the indexes of closed days while a worker runs. Any number of workers may do it: one at a time builds. */
import { errorText, type Logger } from '#observability';
import { createPool } from '#postgres';
import { indexClosedDays } from '#store';

const EVERY_MS = 600_000;
/** A day of a hundred million events takes minutes. */
const BUILD_MS_MAX = 3_600_000;

/**
 * Starts building indexes, now and then every ten minutes. It has a connection of its own while it builds, since the
 * bounds of a worker's transactions are too short for that.
 *
 * @param url the database
 * @returns `stop` ends it, without waiting for an index that is being built: the database finishes or drops it
 */
export function keepDaysIndexed(url: string, logger: Logger): { stop(): void } {
  const pool = createPool({
    url,
    name: 'sekali-worker-indexes',
    connectionsMax: 1,
    transactionMsMax: BUILD_MS_MAX,
  });
  let isBuilding = false;
  const keep = (): void => {
    if (isBuilding) return;
    isBuilding = true;
    indexClosedDays(pool, (index) => {
      logger.info({ index }, 'the index of a closed day was built');
    })
      .catch((error: unknown) => {
        logger.warn(
          { reason: errorText(error) },
          'a closed day could not be indexed; trying again in ten minutes',
        );
      })
      .finally(() => {
        isBuilding = false;
      });
  };
  keep();
  const timer = setInterval(keep, EVERY_MS);
  return {
    stop: () => {
      clearInterval(timer);
      void pool.end();
    },
  };
}
