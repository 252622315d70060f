/**
 * Drops payloads that are older than their rule. Any number of processes may do it at once: one step at a time is done.
 *
 *   day of events   every topic is older than its rule ─▶ its events are noted, in steps ─▶ the partition is dropped
 *                   some topics are                    ─▶ their rows are deleted, a small batch at a time
 *
 * Keys stay, so a repeat of an event long gone is still a duplicate. What was dropped is counted by topic and day in the
 * same transaction, so the audit knows which events must lack their row.
 *
 * Three designs were considered for who decides:
 *
 * - Each worker by its own settings. Two workers with different settings would contradict each other, and a thief of a
 *   worker's password could have everything dropped.
 * - A leader. It has to be elected and noticed when it dies, and there is nothing that it knows better.
 * - Rules in the database, which is in use. Functions there check the rule at each step, and take no age from a caller.
 *
 * A partition cannot be detached CONCURRENTLY next to a default partition. So a drop waits 200 ms for the table at most,
 * and tries again. Inserts and pages wait that long behind it. It tries once before it notes the day: a reader that
 * stays for hours costs 200 ms a pass and day. After noting the day, it gives up after a minute, until the next pass.
 */
import { isLockTimeout, type Queryable } from '#postgres';
import { pause } from '#waiting';
import { inSteps } from './paced-steps.js';

/** Payloads of one topic and day that are older than their rule. */
export interface AgedPayloads {
  /** The partition, without the schema. */
  readonly partition: string;
  /** When the day begins, such as 2026-11-22; `null` for rows of days that have no partition. */
  readonly day: string | null;
  /** `null` for a day without events. */
  readonly topic: string | null;
  /** Whether the whole day is dropped at once. */
  readonly isWhole: boolean;
  /** 0 where they were not counted. */
  readonly rows: number;
  /** The size of the payloads as they are stored, in bytes; 0 where they were not counted. */
  readonly bytes: number;
}

/** What one step has dropped. */
export interface DroppedStep {
  readonly partition: string;
  /** `null` for a whole day. */
  readonly topic: string | null;
  readonly rows: number;
  readonly bytes: number;
}

/** How payloads are dropped. */
export interface RetentionOptions {
  /** Called when rows were deleted, or a whole day was dropped. */
  readonly onStep: (step: DroppedStep) => void;
  /** Called after each step that notes events of a day, before that is dropped. */
  readonly onNoted?: (rows: number) => void;
  /** Called for a day that other sessions read or lock for too long; it is left to another pass. */
  readonly onBusyDay?: (partition: string) => void;
  /** Ends the pass before the next step. */
  readonly signal?: AbortSignal;
  /** Rows that one step deletes, at most. The default is 1,000. */
  readonly rowsMax?: number;
  /** Events that one step notes of a day, at most. The default is 5,000. */
  readonly notedMax?: number;
  /**
   * How long to pause after a step, in times of what it took. The default is 4 after a step that deletes rows, so that a
   * fifth of one connection deletes, and 9 after one that notes events.
   */
  readonly pauseFactor?: number;
  /** How long other sessions have before a day that they read is tried again, in milliseconds. */
  readonly busyPauseMs?: number;
}

const ROWS_MAX = 1_000;
const PAUSE_FACTOR = 4;
const NOTED_MAX = 5_000;
const NOTED_PAUSE_FACTOR = 9;
/** How long other sessions have between two tries to drop a day. */
const DROP_PAUSE_MS = 5_000;
/** Inserts that have waited for a busy day go on before the next one. */
const BUSY_PAUSE_MS = 1_000;

const AGED = `
SELECT day AS partition, to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD') AS day, topic, is_whole AS "isWhole",
  coalesce(rows, 0)::float8 AS rows, coalesce(bytes, 0)::float8 AS bytes
FROM sekali.aged_payloads($1)`;
const DROP_DAY = `
SELECT rows::float8 AS rows, bytes::float8 AS bytes, is_dropped AS "isDropped" FROM sekali.drop_payload_day_step($1, $2)`;
const DROP_ROWS = `
SELECT rows::float8 AS rows, bytes::float8 AS bytes, stream_id AS "streamId", seq::text AS seq
FROM sekali.drop_payload_rows($1, $2, $3, $4, $5)`;

/**
 * Returns the payloads that are older than their rule, oldest day first.
 *
 * @param counted whether rows and bytes are counted, which reads all of them
 */
export async function agedPayloads(database: Queryable, counted: boolean): Promise<AgedPayloads[]> {
  return (await database.query<AgedPayloads & Record<string, unknown>>(AGED, [counted])).rows;
}

/**
 * Drops payloads that are older than their rule, until none is left. Days that are locked for long are left out.
 *
 * @returns whether all of them were dropped; `false` when another process drops, a day was left out, or the signal ended the pass
 */
export async function dropAgedPayloads(database: Queryable, options: RetentionOptions): Promise<boolean> {
  const wholeDays = new Set<string>();
  const busyDays = new Set<string>();
  for (const aged of await agedPayloads(database, false)) {
    const { partition, topic, isWhole } = aged;
    if (options.signal?.aborted === true) return false;
    if (busyDays.has(partition) || wholeDays.has(partition)) continue;
    if (isWhole) wholeDays.add(partition);
    try {
      if (isWhole) {
        if (!(await dropDay(database, partition, options))) return false;
      } else if (topic !== null && !(await dropRows(database, partition, topic, options))) return false;
    } catch (error) {
      if (!isLockTimeout(error)) throw error;
      busyDays.add(partition);
      options.onBusyDay?.(partition);
      await pause(BUSY_PAUSE_MS, options.signal);
    }
  }
  return busyDays.size === 0;
}

/** The notes stay when a pass ends, so the next one goes on with them. */
async function dropDay(
  database: Queryable,
  partition: string,
  { onStep, onNoted, signal, notedMax = NOTED_MAX, ...pace }: RetentionOptions,
): Promise<boolean> {
  const { pauseFactor = NOTED_PAUSE_FACTOR, busyPauseMs = DROP_PAUSE_MS } = pace;
  let isBegun = false;
  let isDropped = false;
  const step = async (): Promise<boolean> => {
    const values = [partition, notedMax];
    const { rows } = await database.query<{ rows: number; bytes: number; isDropped: boolean }>(
      DROP_DAY,
      values,
    );
    const [done] = rows;
    isBegun = true;
    isDropped = done?.isDropped === true;
    if (done === undefined) return false;
    if (isDropped) onStep({ partition, topic: null, rows: done.rows, bytes: done.bytes });
    else onNoted?.(done.rows);
    return !isDropped;
  };
  await inSteps(step, { signal, pauseFactor, busyPauseMs, isPatient: () => isBegun });
  return isDropped;
}

/** Each step begins behind the rows of the last one, because an index still leads to those. */
async function dropRows(
  database: Queryable,
  partition: string,
  topic: string,
  { onStep, signal, rowsMax = ROWS_MAX, pauseFactor = PAUSE_FACTOR }: RetentionOptions,
): Promise<boolean> {
  let place: { streamId: number; seq: string } = { streamId: 0, seq: '0' };
  let isDone = false;
  const step = async (): Promise<boolean> => {
    const values = [partition, topic, place.streamId, place.seq, rowsMax];
    const { rows } = await database.query<{ rows: number; bytes: number; streamId: number; seq: string }>(
      DROP_ROWS,
      values,
    );
    const [dropped] = rows;
    if (dropped === undefined) return false;
    if (dropped.rows > 0) onStep({ partition, topic, rows: dropped.rows, bytes: dropped.bytes });
    place = dropped;
    isDone = dropped.rows < rowsMax;
    return !isDone;
  };
  await inSteps(step, { signal, pauseFactor });
  return isDone;
}
