/**
 * Merges old rows of the histogram into longer ones, so that it does not grow with time by the minute.
 *
 * Each step is one transaction, which takes rows out and adds their sums elsewhere. So a process may die at any moment,
 * and a reader sees each count once. Any number of processes may do it: one at a time does.
 */
import type { Queryable } from '#postgres';
import { pause } from '#waiting';

/** How the histogram is rolled up. */
export interface RollUpOptions {
  /** No step begins after this time, in milliseconds; the rest is left to the next call. The default is 30,000. */
  readonly msMax?: number;
  /** Rows of each kind that one step takes, at most, from 1 to 10,000. The default is 2,000. */
  readonly rowsMax?: number;
  /** Ends it before the next step. */
  readonly signal?: AbortSignal;
}

const ROLL_UP = `SELECT sekali.roll_up_histogram($1) AS taken`;
const ROWS_MAX = 2_000;
const MS_MAX = 30_000;

/**
 * Rolls up what is old enough, in steps. After each, batches have the connection for as long as the step took. When
 * another process is doing it, that one goes on alone.
 *
 * @returns the number of rows that were merged
 */
export async function rollUpHistogram(
  database: Queryable,
  { msMax = MS_MAX, rowsMax = ROWS_MAX, signal }: RollUpOptions = {},
): Promise<number> {
  const beganMs = performance.now();
  for (let total = 0; ;) {
    const stepMs = performance.now();
    const { rows } = await database.query<{ taken: number | null }>(ROLL_UP, [rowsMax]);
    const taken = rows[0]?.taken ?? 0;
    total += taken;
    const nowMs = performance.now();
    if (taken < rowsMax || nowMs - beganMs >= msMax) return total;
    await pause(nowMs - stepMs, signal);
    if (signal?.aborted === true) return total;
  }
}
