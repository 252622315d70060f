/**
 * Waits out what no message is at fault for: an outage of Postgres, and a defect of the store.
 *
 * An outage is not poison: whatever meets one is repeated until it goes through, with a growing pause, for as
 * long as it takes. Nothing is counted. All that wait share one outage, which is told once at its beginning and
 * once at its end. A defect, which somebody has to mend, is told again and again while it lasts, ever more seldom.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { isUnavailable } from '#postgres';
import { failureOf, rootOf } from './handler-error.js';
import type { Observer } from './outcome.js';
import { StoppedError } from './stopped-error.js';

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2_000;
const CONTENTION_PAUSE_MS = 20;
const TELL_AGAIN_MS = 5_000;
const TELL_AGAIN_MS_MAX = 300_000;

interface Defect {
  readonly beganMs: number;
  tellAtMs: number;
  tellAgainMs: number;
}

/** One gate for a consumer. */
export class OutageGate {
  private readonly stopping = new AbortController();
  private outageBeganMs: number | undefined;
  private defect: Defect | undefined;

  constructor(private readonly observe: Observer) {}

  /** Whether work waits: Postgres was out of reach at the last try, or the store refuses everything. */
  get isOut(): boolean {
    return this.outageBeganMs !== undefined || this.defect !== undefined;
  }

  /**
   * Runs `work`, again and again while Postgres is out of reach or others are at the same rows.
   *
   * @param work must bear being repeated after it was committed
   * @param isWaitedOut which errors are repeated; by default all that no message can be the cause of
   * @throws what `work` throws for another reason, or `StoppedError`
   */
  async pass<T>(
    work: () => Promise<T>,
    isWaitedOut: (error: unknown) => boolean = isUnavailable,
  ): Promise<T> {
    for (let failures = 0; ; failures++) {
      try {
        const result = await work();
        this.endOutage();
        return result;
      } catch (error) {
        if (!isWaitedOut(error)) {
          this.endOutage();
          throw error;
        }
        const isContention = failureOf(error) === 'contention';
        if (!isContention) this.beginOutage(error);
        await this.wait(isContention ? CONTENTION_PAUSE_MS : pauseMs(failures));
      }
    }
  }

  /**
   * Waits once, because the store is at fault and not a message, and says so.
   *
   * @param failures how often the caller has waited for it before
   * @throws `StoppedError`
   */
  async waitForStore(failure: unknown, failures: number): Promise<void> {
    const now = Date.now();
    const error = rootOf(failure);
    if (this.defect === undefined) {
      this.defect = { beganMs: now, tellAtMs: now + TELL_AGAIN_MS, tellAgainMs: TELL_AGAIN_MS };
      this.observe({ type: 'defect-began', error });
    } else if (now >= this.defect.tellAtMs) {
      this.defect.tellAgainMs = Math.min(2 * this.defect.tellAgainMs, TELL_AGAIN_MS_MAX);
      this.defect.tellAtMs = now + this.defect.tellAgainMs;
      this.observe({ type: 'defect-continues', seconds: (now - this.defect.beganMs) / 1_000, error });
    }
    await this.wait(pauseMs(failures));
  }

  /** Says that the store took a message: no defect lasts. */
  storeWorks(): void {
    if (this.defect === undefined) return;
    this.observe({ type: 'defect-ended', seconds: (Date.now() - this.defect.beganMs) / 1_000 });
    this.defect = undefined;
  }

  /** Aborted when nothing may wait any more. */
  get stopped(): AbortSignal {
    return this.stopping.signal;
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

  private beginOutage(error: unknown): void {
    if (this.outageBeganMs !== undefined) return;
    this.outageBeganMs = Date.now();
    this.observe({ type: 'outage-began', error });
  }

  private endOutage(): void {
    if (this.outageBeganMs === undefined) return;
    this.observe({ type: 'outage-ended', seconds: (Date.now() - this.outageBeganMs) / 1_000 });
    this.outageBeganMs = undefined;
  }
}

function pauseMs(failures: number): number {
  return PAUSE_MS_MIN * 2 ** Math.min(failures, 5);
}
