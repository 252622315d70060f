/** Has the keys of inboxes begin another generation when their table is large. Any number of processes may do it at once. */
import { isLockTimeout } from '#postgres';
import type { YoungestGeneration } from './generation-change.js';
import type { KeyLog } from './key-log.js';

const EVERY_MS = 60_000;

/** The keys of one inbox. */
export interface KeptKeys {
  readonly consumer: string;
  /** Reads the youngest generation. */
  youngest(): Promise<YoungestGeneration>;
  /** Closes the youngest generation, if it has this number. @returns the number of the new one, if it did */
  change(expected: number): Promise<number | undefined>;
}

/**
 * Starts checking the size of the youngest generation of keys, in a minute and then every minute. Of several processes
 * that find it too large, one changes it. An outage, or a long transaction on the keys, only delays the change.
 *
 * @param inboxes returns the inboxes to check
 * @param bytesMax the size of the table with its indexes from which on another one begins
 * @param everyMs how often to check, in milliseconds
 * @returns `stop` ends it
 */
export function keepGenerations(
  inboxes: () => Promise<readonly KeptKeys[]>,
  log: KeyLog,
  bytesMax: number,
  everyMs = EVERY_MS,
): { stop(): void } {
  let isUnderWay = false;
  const keep = (): void => {
    if (isUnderWay) return;
    isUnderWay = true;
    changeLargeGenerations(inboxes, log, bytesMax)
      .catch((error: unknown) => {
        warn(log, {}, error);
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

async function changeLargeGenerations(
  inboxes: () => Promise<readonly KeptKeys[]>,
  log: KeyLog,
  bytesMax: number,
): Promise<void> {
  for (const inbox of await inboxes()) {
    const { consumer } = inbox;
    try {
      const { number, bytes } = await inbox.youngest();
      if (bytes <= bytesMax) continue;
      const generation = await inbox.change(number);
      if (generation !== undefined)
        log.info({ consumer, generation, bytes }, 'the keys have begun another generation');
    } catch (error) {
      // The other inboxes may have other owners, so they are still checked.
      if (!isLockTimeout(error)) warn(log, { consumer }, error);
      else log.info({ consumer }, 'a long transaction keeps the keys in their generation; trying again');
    }
  }
}

function warn(log: KeyLog, fields: object, error: unknown): void {
  log.warn(
    { ...fields, reason: String(error) },
    'the generation of the keys could not be checked or changed; trying again',
  );
}
