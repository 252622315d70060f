/**
 * Forgets ids by age, a generation of keys at a time. The migration `ForgottenIds` says which may go, and how.
 *
 * Only keys of the consumer `store` have an age. A repeat of a forgotten id is stored as a new event.
 */
import { isLockTimeout, type Queryable } from '#postgres';
import { inSteps } from './paced-steps.js';

/** The ids of one closed generation that are all older than their age. */
export interface AgedIds {
  readonly generation: number;
  readonly ids: number;
  /** The size of the table with its indexes. */
  readonly bytes: number;
  /**
   * What still needs them: payloads of their days that are there, or messages that may be delivered again or are not
   * settled. `null` when nothing does.
   */
  readonly keptFor: 'payloads' | 'messages' | null;
}

/** One step of forgetting the ids of a generation. */
export interface ForgettingStep {
  readonly generation: number;
  /**
   * What was done: the youngest generation closed, some of its keys noted, all of its ids forgotten, or its empty table
   * dropped.
   */
  readonly step: 'closed' | 'noted' | 'forgotten' | 'dropped';
  /** How many ids were noted or forgotten. */
  readonly ids: number;
}

/** How ids are forgotten: see `RetentionOptions`. */
export interface ForgettingOptions {
  /** Called after each step. */
  readonly onStep: (step: ForgettingStep) => void;
  /** Called for a generation that other sessions read for too long; it is left to another pass. */
  readonly onBusy?: () => void;
  readonly signal?: AbortSignal;
  /** Keys that one step notes, at most. The default is 5,000. */
  readonly keysMax?: number;
  /**
   * How long to pause after a step, in times of what it took. With the default of 9, a tenth of one connection works.
   */
  readonly pauseFactor?: number;
  /** How long other sessions have before a generation that they read is tried again, in milliseconds. */
  readonly busyPauseMs?: number;
}

const KEYS_MAX = 5_000;
const PAUSE_FACTOR = 9;
const BUSY_PAUSE_MS = 5_000;

const AGED = `
SELECT generation, ids::float8 AS ids, bytes::float8 AS bytes, kept_for AS "keptFor" FROM sekali.aged_ids()`;
const FORGET = `SELECT generation, step, ids::float8 AS ids FROM sekali.forget_ids($1)`;

/** Returns the ids that are older than their age, oldest generation first. It counts all of them. */
export async function agedIds(database: Queryable): Promise<AgedIds[]> {
  return (await database.query<AgedIds & Record<string, unknown>>(AGED)).rows;
}

/**
 * Forgets ids that are older than their age, until none is left that nothing needs. A pass that was ended goes on where
 * it was.
 *
 * @returns whether it came to the end; `false` when other sessions read a generation without a pause, or the signal
 *   ended the pass
 */
export async function forgetAgedIds(database: Queryable, options: ForgettingOptions): Promise<boolean> {
  const { onStep, onBusy, signal } = options;
  const { keysMax = KEYS_MAX, pauseFactor = PAUSE_FACTOR, busyPauseMs = BUSY_PAUSE_MS } = options;
  const step = async (): Promise<boolean> => {
    const { rows } = await database.query<ForgettingStep & Record<string, unknown>>(FORGET, [keysMax]);
    if (rows[0] !== undefined) onStep(rows[0]);
    return rows.length > 0;
  };
  try {
    return await inSteps(step, { signal, pauseFactor, busyPauseMs });
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    onBusy?.();
    return false;
  }
}
