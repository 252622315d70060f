/** Runs `sekali dead-letters held` and `release`: keys of a consumer whose events wait behind a dead letter. */
import { heldKeys, type HeldKey, releaseKey } from '#idempotent-consumer/postgres';
import { CommandError, type ExitCode } from '../command-error.js';
import { columnTable, countOf, formatCount, print, printable, printJson } from '../output.js';
import { minuteOf, withDatabase } from '../target-database.js';
import type { TargetOptions } from '../target.js';

/** Which inbox, and how the answer is printed. */
export interface HeldOptions extends TargetOptions {
  readonly consumer: string;
  readonly schema: string;
  readonly json?: boolean;
}

/** The options of `held`. */
export interface HeldListOptions extends HeldOptions {
  readonly limit: number;
}

/** The options of `release`. */
export interface ReleaseOptions extends HeldOptions {
  readonly skip?: boolean;
  readonly again?: boolean;
}

const DATABASE = { name: 'sekali-dead-letters', what: 'this consumer with an order' };

/** Lists the keys that are held. Throws `CommandError` (2) when the database does not answer. */
export async function listHeld(options: HeldListOptions): Promise<ExitCode> {
  const { consumer, schema, limit } = options;
  const keys = await withDatabase(options, DATABASE, (database) =>
    heldKeys(database, { schema, consumer }, limit),
  );
  await (options.json === true ? printJson(keys.map(viewOf)) : print(reportOf(keys)));
  return 0;
}

/** Releases one key. Throws `CommandError` (2) without exactly one way, or when the database does not answer. */
export async function releaseHeld(key: string, options: ReleaseOptions): Promise<ExitCode> {
  const { consumer, schema, skip = false, again = false } = options;
  if (skip === again)
    throw new CommandError(
      'say what becomes of the dead letter: --skip leaves it one, --again processes it again',
      2,
    );
  const wasHeld = await withDatabase(options, DATABASE, (database) =>
    releaseKey(database, { schema, consumer }, key, again ? 'again' : 'skip'),
  );
  if (options.json === true) await printJson({ key, released: wasHeld });
  else await print(wasHeld ? `Released ${printable(key)}.` : `${printable(key)} is not held.`);
  return wasHeld ? 0 : 1;
}

function viewOf({ key, streamId, seq, topic, eventId, reason, detail, heldSince, waiting }: HeldKey): object {
  return {
    ...{ key, topic, event_id: eventId, reason, detail, waiting },
    ...{ held_since: heldSince.toISOString(), stream_id: streamId, seq },
  };
}

function reportOf(keys: readonly HeldKey[]): string {
  if (keys.length === 0) return 'No key is held.';
  const rows = keys.map(({ key, topic, eventId, reason, waiting, heldSince }) => [
    printable(key),
    formatCount(waiting),
    printable(topic),
    eventId === null ? '–' : printable(eventId),
    printable(reason),
    minuteOf(heldSince),
  ]);
  const head = ['key', 'waiting', 'topic', 'event id', 'reason', 'since'];
  return `${columnTable(head, rows)}\n${countOf(keys.length, 'key')} held`;
}
