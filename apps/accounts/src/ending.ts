/** How a program of the accounts ends. */
import { SettingsError } from '#config';
import { OptionsError } from '#idempotent-consumer';
import type { Logger } from '#observability';

const STOP_MS_MAX = 12_000;

/** Ends a program that could not do its work. Its user can mend wrong settings; anything else is shown with its stack. */
export function endWith(error: unknown): never {
  const isExpected = error instanceof SettingsError || error instanceof OptionsError;
  const text = isExpected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message);
  process.stderr.write(`accounts: ${text}\n`);
  process.exit(1);
}

/**
 * Ends the program on a signal, or when its parent ends: once, in order, within a bound.
 *
 * @param steps finishes what is under way and closes everything
 */
export function stopOnSignal(logger: Logger, steps: () => Promise<void>): void {
  let begun = false;
  const stop = (): void => {
    if (begun) return;
    begun = true;
    logger.info('stopping: finishing the batches in flight');
    setTimeout(() => {
      logger.error('could not stop in time; what is unsettled is delivered again');
      process.exit(1);
    }, STOP_MS_MAX).unref();
    steps().then(
      () => process.exit(0),
      (error: unknown) => {
        logger.error({ err: error }, 'stopping failed; what is unsettled is delivered again');
        process.exit(1);
      },
    );
  };
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(signal, stop);
}
