/**
 * Has the keys of inboxes begin another generation when their table is large. Any number of processes may do it at once.
 *
 * Each closed generation costs a new id a question to its filter, and sometimes a lookup. So there should be few of them.
 * Three designs were considered:
 *
 * - Merging closed tables. Each key would be written again, several times in all, next to the work of the day: 8
 *   generations of 1 GiB are 8 GiB to read, to write and to index. Every worker would have to learn that the tables it
 *   knows are gone.
 * - One filter for several tables. It says that an id may be in one of them, so each of them is looked up. At the same
 *   bits a key, that is as many lookups: 18 filters of 1.3 % cost 0.23 lookups a new id, and so does one.
 * - Larger tables as the keys grow, which is in use. The youngest may have a sixteenth of all keys. It still fits where
 *   Postgres has a tenth of the keys' bytes as memory, and the number of generations grows with the logarithm. With 1
 *   GiB at first, 10⁹ keys are in about 52 generations instead of 168, and 10¹⁰ in 88 instead of 1,676.
 */
import { isLockTimeout } from '#postgres';
import type { YoungestGeneration } from './generation-change.js';
import type { KeyLog } from './key-log.js';

const EVERY_MS = 60_000;
/** The share of all keys that the youngest generation may have, however large it is. */
const SHARE_OF_ALL = 1 / 16;

/** The keys of one inbox. */
export interface KeptKeys {
  readonly consumer: string;
  /** Reads the youngest generation. */
  youngest(): Promise<YoungestGeneration>;
  /** Closes the youngest generation, if it has this number. @returns the number of the new one, if it did */
  change(expected: number): Promise<number | undefined>;
}

/**
 * Whether the youngest generation has to be closed.
 *
 * @param bytesMax see `keepGenerations`
 */
export function isLarge(
  { bytes, bytesOfAll }: Omit<YoungestGeneration, 'number'>,
  bytesMax: number,
): boolean {
  return bytes > Math.max(bytesMax, bytesOfAll * SHARE_OF_ALL);
}

/**
 * Starts checking the size of the youngest generation of keys, in a minute and then every minute. Of several processes
 * that find it too large, one changes it. An outage, or a long transaction on the keys, only delays the change.
 *
 * @param inboxes returns the inboxes to check
 * @param bytesMax the size of the table with its indexes from which on another one begins, unless it is less than a
 *   sixteenth of all keys
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
      const youngest = await inbox.youngest();
      if (!isLarge(youngest, bytesMax)) continue;
      const { number, bytes } = youngest;
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
