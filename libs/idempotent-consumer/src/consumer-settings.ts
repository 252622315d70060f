import type { BatchBounds } from './batch-buffer.js';

/** How much a consumer takes at a time. */
export interface ConsumerSettings extends BatchBounds {
  /** Transactions that are open at the same time. */
  readonly batchesInFlight: number;
  /** Deliveries that are held or requested, at most. */
  readonly prefetch: number;
  /**
   * Bytes of their bodies, at most. Large messages would fill the memory long before their number reaches its
   * bound.
   */
  readonly prefetchBytes: number;
  /**
   * A message that was delivered more often than this is processed alone, if a process may have ended over
   * it. With 0, every message is processed alone.
   */
  readonly isolateAfterDeliveries: number;
}
