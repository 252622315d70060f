/**
 * Waits out an outage of Postgres.
 *
 * An outage is not poison: whatever meets one is repeated until it goes through, with a growing pause, for as
 * long as it takes. Nothing is counted. All that wait share one outage, which is told once at its beginning and
 * once at its end.
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Observer } from './outcome.js';
import { classifyDatabaseError } from './postgres/sqlstate.js';

/** The consumer was stopped while it waited. */
export class StoppedError extends Error {
  override readonly name = 'StoppedError';
  constructor() {
    super('stopped while waiting for Postgres');
  }
}

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2_000;
const CONTENTION_PAUSE_MS = 20;

/** One gate for a consumer. */
export class OutageGate {
  private readonly stopping = new AbortController();
  private outageBeganMs: number | undefined;

  constructor(private readonly observe: Observer) {}

  /** Whether Postgres was out of reach at the last try. */
  get isOut(): boolean {
    return this.outageBeganMs !== undefined;
  }

  /**
   * Runs `work`, again and again while Postgres is out of reach or others are at the same rows.
   *
   * @param work must bear being repeated after it was committed
   * @throws what `work` throws for another reason, or `StoppedError`
   */
  async pass<T>(work: () => Promise<T>): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        const result = await work();
        this.end();
        return result;
      } catch (error) {
        const failure = classifyDatabaseError(error);
        if (failure !== 'outage' && failure !== 'contention') {
          this.end();
          throw error;
        }
        if (failure === 'outage') this.begin(error);
        await this.wait(
          failure === 'contention' ? CONTENTION_PAUSE_MS : PAUSE_MS_MIN * 2 ** Math.min(failures, 5),
        );
      }
    }
  }

  /** Lets nothing wait any more: it ends with `StoppedError`. */
  stop(): void {
    this.stopping.abort();
  }

  /** Whether an error means that the consumer was stopped. */
  isStopped(error: unknown): error is StoppedError {
    return error instanceof StoppedError;
  }

  private async wait(ms: number): Promise<void> {
    // Not all at the same moment: those who wait would meet again.
    const jittered = Math.min(ms, PAUSE_MS_MAX) * (0.5 + Math.random() / 2);
    await pause(jittered, undefined, { signal: this.stopping.signal }).catch(() => {
      throw new StoppedError();
    });
  }

  private begin(error: unknown): void {
    if (this.outageBeganMs !== undefined) return;
    this.outageBeganMs = Date.now();
    this.observe({ type: 'outage-began', error });
  }

  private end(): void {
    if (this.outageBeganMs === undefined) return;
    this.observe({ type: 'outage-ended', seconds: (Date.now() - this.outageBeganMs) / 1_000 });
    this.outageBeganMs = undefined;
  }
}
