/**
 * A span of the load in which an acknowledgement proves nothing, because the brokers were put back to its beginning.
 *
 *   copied ──── acknowledged, and perhaps lost ──── rolled back          both ends count as inside
 *
 * Only an operation that was open at some moment of it may be lost. One that ended before was in the copy, and one that
 * began after came to the present brokers. Times are milliseconds since the load began.
 */
export interface LossWindow {
  readonly fromMs: number;
  readonly untilMs: number;
}

/**
 * Whether an operation was open at some moment of any window.
 *
 * @param endedAtMs undefined for an operation that never ended
 */
export function isExposed(
  windows: readonly LossWindow[],
  invokedAtMs: number,
  endedAtMs: number | undefined,
): boolean {
  return windows.some(
    ({ fromMs, untilMs }) => invokedAtMs <= untilMs && (endedAtMs === undefined || endedAtMs >= fromMs),
  );
}
