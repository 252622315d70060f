/**
 * Builds and drops the indexes of payloads while a worker runs. Any number of workers may do it: one at a time does.
 */
import type { Logger } from '#observability';
import { createPool } from '#postgres';
import { changePayloadIndexes, type PayloadIndexPass } from '#store';
import { pause } from '#waiting';
import { indexHours } from './index-hours.js';
import { repeatWork } from './repeated-work.js';

const EVERY_MS = 600_000;
/** Another worker builds for seconds or for hours, and may end in the middle of it. */
const BUSY_MS = 5_000;
/** A text index of a hundred million events takes more than an hour. */
const BUILD_MS_MAX = 21_600_000;
/** One builds, and one checks whether others wait for it. */
const CONNECTIONS = 2;

/**
 * Starts changing indexes, now and then every ten minutes.
 *
 * @param url the database
 * @param hours when an index may be begun, see `indexHours`
 * @param times how often to begin, and how soon to try again while another worker builds, in milliseconds
 * @returns `stop` ends it, without waiting for an index that is being built: the database drops it
 */
export function keepPayloadsIndexed(
  url: string,
  logger: Logger,
  hours: string | undefined,
  { everyMs = EVERY_MS, busyMs = BUSY_MS }: { readonly everyMs?: number; readonly busyMs?: number } = {},
): { stop(): void } {
  const pool = createPool({
    url,
    name: 'sekali-worker-payload-indexes',
    connectionsMax: CONNECTIONS,
    transactionMsMax: BUILD_MS_MAX,
  });
  const stopped = new AbortController();
  const isHour = indexHours(hours);
  const keep = async (): Promise<void> => {
    const change = (): Promise<PayloadIndexPass> =>
      changePayloadIndexes(pool, {
        signal: stopped.signal,
        isAllowed: () => isHour(new Date()),
        onChange: (index, what) => {
          logger.info({ index }, `an index of payloads was ${what}`);
        },
      });
    let pass = await change();
    while (pass === 'busy') {
      await pause(busyMs, stopped.signal);
      if (stopped.signal.aborted) return;
      pass = await change();
    }
    if (pass === 'waited for')
      logger.info('an index of payloads was given up, because others waited; trying again later');
  };
  const keeping = repeatWork(keep, {
    everyMs,
    onFailure: (reason) => {
      logger.warn({ reason }, 'an index of payloads could not be built; trying again in ten minutes');
    },
  });
  return {
    stop: () => {
      keeping.stop();
      stopped.abort();
      void pool.end();
    },
  };
}
