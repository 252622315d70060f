import { errorText } from '#observability';

/** When work is done, and what becomes of its failures. */
export interface RepeatOptions {
  /** How often to begin, in milliseconds. */
  readonly everyMs: number;
  /** Whether the first pass begins at once, and not after that time. Default: it does. */
  readonly beginsAtOnce?: boolean;
  /** @param reason what to log of the error */
  readonly onFailure: (reason: string) => void;
}

/**
 * Does work over and over. A pass is left out while the one before is under way, and a failure ends only its own pass.
 *
 * @returns `stop` begins no other pass, and does not wait for the one under way. Its failure is not reported any more
 */
export function repeatWork(
  work: () => Promise<void>,
  { everyMs, beginsAtOnce = true, onFailure }: RepeatOptions,
): { stop(): void } {
  let isUnderWay = false;
  let isStopped = false;
  const begin = (): void => {
    if (isUnderWay) return;
    isUnderWay = true;
    work()
      .catch((error: unknown) => {
        if (!isStopped) onFailure(errorText(error));
      })
      .finally(() => {
        isUnderWay = false;
      });
  };
  if (beginsAtOnce) begin();
  const timer = setInterval(begin, everyMs);
  return {
    stop: () => {
      isStopped = true;
      clearInterval(timer);
    },
  };
}
