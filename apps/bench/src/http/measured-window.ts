/**
 * The time in which requests count, each by the share of its own time that lies in it.
 *
 *   lead-in ─▶ open ─durationMs─▶ closed
 *
 * Counting answers instead would be wrong where a few long requests end together: eight that take eight seconds each
 * would be a high rate in the second in which they end, and none in the others.
 */
import { performance } from 'node:perf_hooks';

/** See the head of this file. The lead-in begins when it is made. */
export class MeasuredWindow {
  private readonly opensAt: number;
  private readonly closesAt: number;
  private counted = 0;

  constructor({ leadInMs, durationMs }: { readonly leadInMs: number; readonly durationMs: number }) {
    this.opensAt = performance.now() + leadInMs;
    this.closesAt = this.opensAt + durationMs;
  }

  /** Whether it has closed at a moment. */
  isClosed(now: number): boolean {
    return now >= this.closesAt;
  }

  /** Counts a request that was sent and answered at these moments. False when none of it lies in the window. */
  counts(sentAt: number, answeredAt: number): boolean {
    const insideMs = Math.min(answeredAt, this.closesAt) - Math.max(sentAt, this.opensAt);
    if (insideMs <= 0) return false;
    this.counted += insideMs / (answeredAt - sentAt);
    return true;
  }

  /** Requests a second; 0 when there was none. @param now the moment at which the last answer had come */
  ratePerSecond(now: number): number {
    const openMs = Math.min(now, this.closesAt) - this.opensAt;
    return openMs > 0 ? (this.counted * 1_000) / openMs : 0;
  }
}
