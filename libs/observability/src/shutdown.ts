import type { Logger } from './logger.js';

/** A container engine waits for longer: see `stop_grace_period` in docker-compose.yml. */
const STOP_MS_MAX = 12_000;

/**
 * Stops a program of consumers on SIGTERM, on SIGINT, or when its parent ends: once, in order and within 12 s.
 *
 * The exit code is 0 when the steps succeed, else 1. What is unsettled then is delivered again.
 */
export class Shutdown {
  private steps = (): Promise<void> => Promise.resolve();
  private begun = false;

  constructor(private readonly logger: Logger) {
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
      process.on(signal, () => {
        this.begin();
      });
    }
  }

  /** Sets the steps of the shutdown. Before this call, there are none. */
  setSteps(steps: () => Promise<void>): void {
    this.steps = steps;
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.logger.info('stopping: finishing the batches in flight');
    setTimeout(() => {
      this.logger.error('the program could not stop in time; unsettled messages are delivered again');
      process.exit(1);
    }, STOP_MS_MAX).unref();
    this.steps().then(
      () => process.exit(0),
      (error: unknown) => {
        this.logger.error({ err: error }, 'stopping failed; unsettled messages are delivered again');
        process.exit(1);
      },
    );
  }
}
