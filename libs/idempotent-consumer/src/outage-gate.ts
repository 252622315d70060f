import { setTimeout as pause } from 'node:timers/promises';
import { isUnavailable } from '#postgres';
import { failureOf, rootOf } from './handler-error.js';
import type { Observer } from './outcome.js';
import { StoppedError } from './stopped-error.js';

const PAUSE_MS_MIN = 100;
const PAUSE_MS_MAX = 2_000;
const CONTENTION_PAUSE_MS = 20;
const REPORT_AGAIN_MS = 5_000;
const REPORT_AGAIN_MS_MAX = 300_000;

interface Defect {
  readonly beganMs: number;
  reportAtMs: number;
  reportAgainMs: number;
}

/**
 * Waits while Postgres is out of reach, and while the store has a defect. Each consumer has one gate.
 *
 * An outage is not poison. Work that meets one is repeated with a growing pause, for as long as it takes, and
 * no attempt is counted. All waiting work shares one outage, which is reported once when it begins and once
 * when it ends. An operator must repair a defect, so it is reported repeatedly while it lasts, at growing
 * intervals.
 */
export class OutageGate {
  private readonly stopping = new AbortController();
  private outageBeganMs: number | undefined;
  private defect: Defect | undefined;

  /** @param observe receives the beginning and the end of outages and defects */
  constructor(private readonly observe: Observer) {}

  /**
   * Whether work waits, because Postgres was out of reach at the last try or the store refuses everything.
   */
  get isOut(): boolean {
    return this.outageBeganMs !== undefined || this.defect !== undefined;
  }

  /**
   * Runs `work`, and repeats it while Postgres is out of reach or other transactions hold the same rows.
   *
   * @param work it may be repeated after it was committed, so it must be idempotent
   * @param isWaitedOut which errors are repeated; by default all that no message can cause
   * @returns what `work` returns
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
   * Waits once because the store is at fault and not a message, and reports the defect.
   *
   * @param failures how often the caller has waited for it before
   * @throws `StoppedError`
   */
  async waitForStore(failure: unknown, failures: number): Promise<void> {
    const now = Date.now();
    const error = rootOf(failure);
    if (this.defect === undefined) {
      this.defect = { beganMs: now, reportAtMs: now + REPORT_AGAIN_MS, reportAgainMs: REPORT_AGAIN_MS };
      this.observe({ type: 'defect-began', error });
    } else if (now >= this.defect.reportAtMs) {
      this.defect.reportAgainMs = Math.min(2 * this.defect.reportAgainMs, REPORT_AGAIN_MS_MAX);
      this.defect.reportAtMs = now + this.defect.reportAgainMs;
      this.observe({ type: 'defect-continues', seconds: (now - this.defect.beganMs) / 1_000, error });
    }
    await this.wait(pauseMs(failures));
  }

  /** Notes that the store accepted a message. This ends a defect. */
  storeWorks(): void {
    if (this.defect === undefined) return;
    this.observe({ type: 'defect-ended', seconds: (Date.now() - this.defect.beganMs) / 1_000 });
    this.defect = undefined;
  }

  /** The signal that is aborted when `stop` is called. */
  get stopped(): AbortSignal {
    return this.stopping.signal;
  }

  /** Ends every wait, now and later, with `StoppedError`. */
  stop(): void {
    this.stopping.abort();
  }

  /** Whether an error means that the consumer was stopped. */
  isStopped(error: unknown): error is StoppedError {
    return error instanceof StoppedError;
  }

  private async wait(ms: number): Promise<void> {
    // Jitter keeps the waiting work from colliding again.
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
