/**
 * Merges old rows of the histogram into longer ones, so that it does not grow with time by the minute.
 *
 * Each step is one transaction, which takes rows out and adds their sums elsewhere. So a process may die at any moment,
 * and a reader sees each count once. Any number of processes may do it: one at a time does.
 */
import type { Queryable } from '#postgres';

const ROLL_UP = `SELECT sekali.roll_up_histogram($1) AS taken`;
const ROWS_PER_STEP = 2_000;

/**
 * Rolls up what is old enough, in steps.
 *
 * @param stepsMax how many steps, at most; the rest is left to the next call
 * @returns the number of rows that were merged
 */
export async function rollUpHistogram(
  database: Queryable,
  stepsMax: number,
  rowsPerStep = ROWS_PER_STEP,
): Promise<number> {
  let total = 0;
  for (let steps = 0; steps < stepsMax; steps++) {
    const { rows } = await database.query<{ taken: number | null }>(ROLL_UP, [rowsPerStep]);
    const taken = rows[0]?.taken ?? 0;
    if (taken === 0) break;
    total += taken;
  }
  return total;
}
