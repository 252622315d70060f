/** Builds the indexes of closed days while a worker runs. Any number of workers may do it: one at a time builds. */
import type { Logger } from '#observability';
import { createPool } from '#postgres';
import { indexClosedDays } from '#store';
import { repeatWork } from './repeated-work.js';

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
  const keep = async (): Promise<void> => {
    await indexClosedDays(pool, (index) => {
      logger.info({ index }, 'the index of a closed day was built');
    });
  };
  const keeping = repeatWork(keep, {
    everyMs: EVERY_MS,
    onFailure: (reason) => {
      logger.warn({ reason }, 'a closed day could not be indexed; trying again in ten minutes');
    },
  });
  return {
    stop: () => {
      keeping.stop();
      void pool.end();
    },
  };
}
