/** The port between a consumer, which has deliveries, and whatever decides on them. */
import type { Delivery } from './delivery.js';
import type { Outcome } from './outcome.js';

/** Decides on deliveries. What an outcome says is committed before it is returned. `BatchProcessor` is the real one. */
export interface Decider {
  /** Whether a message took too long before: it is best processed alone, in addition to the batches of others. */
  isSlow(streamId: number, seq: number): boolean;

  /**
   * Of deliveries that came often, finds those over which a process may have ended: work on them began and came to no end.
   * The others are noted, so that they are found where this process ends over them.
   *
   * @throws `StoppedError`
   */
  suspectsAmong(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>>;

  /**
   * Decides on deliveries together.
   *
   * @returns the outcome of each sequence; those that are `postponed` belong into a later call
   * @throws `StoppedError` when stopped during an outage, `ForeignSequenceError` when the stream has another history;
   *   then nothing may be acknowledged
   */
  process(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlyMap<number, Outcome>>;

  /** Decides on one delivery that may have ended processes before. The caller runs nothing else meanwhile. */
  processSuspect(streamId: number, delivery: Delivery): Promise<ReadonlyMap<number, Outcome>>;
}
