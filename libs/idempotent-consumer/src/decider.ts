import type { Delivery } from './delivery.js';
import type { Outcome } from './outcome.js';

/**
 * The port between a consumer, which has deliveries, and the code that decides on them. An outcome is
 * committed before it is returned. `BatchProcessor` is the implementation.
 */
export interface Decider {
  /**
   * Whether a message took too long before. Then it is best processed alone, in parallel with the batches of
   * others.
   */
  isSlow(streamId: number, seq: number): boolean;

  /**
   * Finds messages over which a process may have ended: work on them began and never ended. The other
   * messages are noted, so that they are found if this process ends.
   *
   * @param deliveries those that were delivered often
   * @returns the sequences of the suspects
   * @throws `StoppedError`
   */
  suspectsAmong(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlySet<number>>;

  /**
   * Decides on deliveries together.
   *
   * @returns the outcome of each sequence; `postponed` ones belong into a later call
   * @throws `StoppedError` when stopped during an outage, and `ForeignSequenceError` when the stream has
   *   another history; then nothing may be acknowledged
   */
  process(streamId: number, deliveries: readonly Delivery[]): Promise<ReadonlyMap<number, Outcome>>;

  /** Decides on one delivery that may have ended processes before. The caller runs nothing else meanwhile. */
  processSuspect(streamId: number, delivery: Delivery): Promise<ReadonlyMap<number, Outcome>>;
}
