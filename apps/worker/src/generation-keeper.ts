/** Has the keys of each inbox begin another generation when their table is large. Any number of workers may do it at once. */
import type { Pool } from 'pg';
import type { Logger } from '#observability';
import { isLockTimeout } from '#postgres';
import { changeKeyGeneration, inboxNames, youngestGeneration } from '#store';

const EVERY_MS = 60_000;

/**
 * Starts checking the size of the youngest generation of keys, in a minute and then every minute. Of several workers
 * that find it too large, one changes it. An outage, or a long transaction on the keys, only delays the change.
 *
 * @param bytesMax the size of the table with its indexes from which on another one begins
 * @param everyMs how often to check, in milliseconds
 * @returns `stop` ends it
 */
export function keepGenerationsSmall(
  pool: Pool,
  logger: Logger,
  bytesMax: number,
  everyMs = EVERY_MS,
): { stop(): void } {
  let isUnderWay = false;
  const keep = (): void => {
    if (isUnderWay) return;
    isUnderWay = true;
    changeLargeGenerations(pool, logger, bytesMax)
      .catch((error: unknown) => {
        logger.warn(
          { reason: String(error) },
          'the generation of the keys could not be checked; trying again',
        );
      })
      .finally(() => {
        isUnderWay = false;
      });
  };
  const timer = setInterval(keep, everyMs);
  return {
    stop: () => {
      clearInterval(timer);
    },
  };
}

async function changeLargeGenerations(pool: Pool, logger: Logger, bytesMax: number): Promise<void> {
  for (const consumer of await inboxNames(pool)) {
    const { number, bytes } = await youngestGeneration(pool, consumer);
    if (bytes <= bytesMax) continue;
    try {
      const generation = await changeKeyGeneration(pool, consumer, number);
      if (generation !== undefined)
        logger.info({ consumer, generation, bytes }, 'the keys have begun another generation');
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      logger.info({ consumer }, 'a long transaction keeps the keys in their generation; trying again');
    }
  }
}
