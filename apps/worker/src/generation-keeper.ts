/** Has the keys of each inbox begin another generation when their table is large. Any number of workers may do it at once. */
import type { Pool } from 'pg';
import { keepGenerations } from '#idempotent-consumer/postgres';
import type { Logger } from '#observability';
import { changeKeyGeneration, inboxNames, youngestKeyGeneration } from '#store';

/**
 * Starts checking the size of the youngest generation of keys, of all inboxes in the database: see `keepGenerations`.
 *
 * @param bytesMax the size of the table with its indexes from which on another one begins, unless it is less than a
 *   sixteenth of all keys
 * @param everyMs how often to check, in milliseconds; the default is a minute
 * @returns `stop` ends it
 */
export function keepGenerationsSmall(
  pool: Pool,
  logger: Logger,
  bytesMax: number,
  everyMs?: number,
): { stop(): void } {
  const inboxes = async () =>
    (await inboxNames(pool)).map((consumer) => ({
      consumer,
      youngest: () => youngestKeyGeneration(pool, consumer),
      change: (expected: number) => changeKeyGeneration(pool, consumer, expected),
    }));
  return keepGenerations(inboxes, logger, bytesMax, everyMs);
}
