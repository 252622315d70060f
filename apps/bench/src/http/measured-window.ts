/**
 * The time in which answers count.
 *
 *   lead-in ─first answer after it─▶ open ─durationMs─▶ closed, as soon as one answer was counted
 *
 * It opens with an answer, which itself does not count, so that no start of a connection or a process is in it, and
 * stays open until one has counted, so that a short turn on a busy machine ends with a low rate instead of none.
 */
import { performance } from 'node:perf_hooks';

/** See the head of this file. The lead-in begins when it is made. */
export class MeasuredWindow {
  private readonly opensAfter: number;
  private readonly durationMs: number;
  private openedAt: number | undefined;
  private counted = 0;
  private lastAt = 0;

  constructor({ leadInMs, durationMs }: { readonly leadInMs: number; readonly durationMs: number }) {
    this.opensAfter = performance.now() + leadInMs;
    this.durationMs = durationMs;
  }

  /** Whether it has closed at a moment. */
  isClosed(now: number): boolean {
    return this.openedAt !== undefined && now >= this.openedAt + this.durationMs && this.counted > 0;
  }

  /** Whether an answer at a moment counts; if so, it is counted. */
  counts(now: number): boolean {
    if (now < this.opensAfter || this.isClosed(now)) return false;
    if (this.openedAt === undefined) {
      this.openedAt = now;
      return false;
    }
    this.counted += 1;
    this.lastAt = now;
    return true;
  }

  /** Answers a second; 0 when there was none. @param now the moment at which the last answer had come */
  ratePerSecond(now: number): number {
    if (this.openedAt === undefined || this.counted === 0) return 0;
    const until = Math.max(this.lastAt, Math.min(now, this.openedAt + this.durationMs));
    return (this.counted * 1_000) / (until - this.openedAt);
  }
}
