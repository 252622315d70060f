/**
 * Work that goes on next to the steps of a test, such as a load.
 *
 *   begun ─▶ running ─end()─▶ asked to end ─▶ ended
 *                   └─after the test─▶ asked to end ─▶ ended, and its failure is dropped
 *
 * A test that fails does not reach the line that ends its work. The work would then go on without the system of the
 * test, and fail whatever test runs by then.
 */
import { afterEach } from '@jest/globals';

/** Work that was begun. */
export interface BackgroundWork<T> {
  /** Settles like the work, which ends by itself. */
  readonly ended: Promise<T>;
  /** Asks the work to end. Settles like the work. */
  end(): Promise<T>;
}

const running = new Set<BackgroundWork<unknown>>();

/**
 * Begins work. What is still running after the test is asked to end before the hooks of the file release its system.
 *
 * @param work ends soon after its signal has aborted. Its failure is that of who waits for its end, and of no one else.
 */
export function inBackground<T>(work: (over: AbortSignal) => Promise<T>): BackgroundWork<T> {
  const over = new AbortController();
  const ended = work(over.signal);
  const begun: BackgroundWork<T> = {
    ended,
    end: () => {
      over.abort();
      return ended;
    },
  };
  running.add(begun);
  const forget = (): void => void running.delete(begun);
  ended.then(forget, forget);
  return begun;
}

afterEach(async () => {
  await Promise.allSettled([...running].map((work) => work.end()));
});
