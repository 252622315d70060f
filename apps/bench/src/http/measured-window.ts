import { performance } from 'node:perf_hooks';

/**
 * The time in which requests count, each by the share of its own duration that is inside. The lead-in begins with the
 * constructor.
 *
 *   lead-in ─▶ open ─durationMs─▶ closed
 *
 * To count answers instead would be wrong where a few long requests end together. Eight requests of eight seconds each
 * would give a high rate in the second in which they end, and none before.
 */
export class MeasuredWindow {
  private readonly opensAt: number;
  private readonly closesAt: number;
  private counted = 0;

  constructor({ leadInMs, durationMs }: { readonly leadInMs: number; readonly durationMs: number }) {
    this.opensAt = performance.now() + leadInMs;
    this.closesAt = this.opensAt + durationMs;
  }

  /** Whether the window has closed at a moment. */
  isClosed(now: number): boolean {
    return now >= this.closesAt;
  }

  /**
   * Counts a request by the moments at which it was sent and answered. Returns false when no part of it is in the
   * window.
   */
  counts(sentAt: number, answeredAt: number): boolean {
    const insideMs = Math.min(answeredAt, this.closesAt) - Math.max(sentAt, this.opensAt);
    if (insideMs <= 0) return false;
    this.counted += insideMs / (answeredAt - sentAt);
    return true;
  }

  /** Requests per second; 0 when there was none. @param now the moment of the last answer */
  ratePerSecond(now: number): number {
    const openMs = Math.min(now, this.closesAt) - this.opensAt;
    return openMs > 0 ? (this.counted * 1_000) / openMs : 0;
  }
}
