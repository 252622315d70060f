/** Does work in small steps, with pauses in proportion to what each took, and has patience with other sessions' locks. */
import { isLockTimeout } from '#postgres';
import { pause } from '#waiting';

/** How often a step is tried that other sessions keep waiting. */
const TRIES_MAX = 12;

/** How steps are paced. */
export interface Pace {
  /** Ends it before the next step. */
  readonly signal: AbortSignal | undefined;
  /** How long to pause after a step, in times of what it took. */
  readonly pauseFactor: number;
  /**
   * How long other sessions have before a step is tried again that waited for a lock in vain, in milliseconds. Without
   * it, such a step ends the work.
   */
  readonly busyPauseMs?: number;
  /** Whether it is tried again yet. By default it is. */
  readonly isPatient?: () => boolean;
}

/**
 * Takes one step after another.
 *
 * @param step returns whether there is more to do
 * @returns whether it came to the end; `false` when the signal ended it
 * @throws the error of a step; that of a lock after some tries, see `isLockTimeout`
 */
export async function inSteps(
  step: () => Promise<boolean>,
  { signal, pauseFactor, busyPauseMs, isPatient = () => true }: Pace,
): Promise<boolean> {
  for (let tries = 0; signal?.aborted !== true;) {
    const beganMs = performance.now();
    try {
      if (!(await step())) return true;
      tries = 0;
      await pause((performance.now() - beganMs) * pauseFactor, signal);
    } catch (error) {
      tries += 1;
      if (!isLockTimeout(error) || busyPauseMs === undefined || !isPatient() || tries === TRIES_MAX)
        throw error;
      await pause(busyPauseMs, signal);
    }
  }
  return false;
}
