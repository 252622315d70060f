import type { ConsumerState } from '../delivery-source.js';

/**
 * What a consumer that keeps an order needs before each session.
 *
 *   take ─▶ inspect, have everything unsettled delivered again ─▶ begin ─▶ the session ─lost─▶ take again
 */
export interface Turn {
  /**
   * Resolves when this process may decide.
   *
   * @param onStandby called when another process does, for as long as it does
   * @param signal ends the wait
   */
  take(signal: AbortSignal, onStandby: () => void): Promise<void>;
  /**
   * Begins with a session.
   *
   * @param state the consumer right before it
   * @param deliveredSeq the last sequence that was delivered before everything unsettled was put back
   * @param lose ends the session
   */
  begin(state: ConsumerState, deliveredSeq: number, lose: (reason: string) => void): void;
  /** Ends it, so that another process may decide at once. */
  stop(): Promise<void>;
  /** Whether another process decides. */
  readonly isStandby: boolean;
  /** Whether this process decides on nothing new, because too many events are parked. */
  readonly isFull: boolean;
}
