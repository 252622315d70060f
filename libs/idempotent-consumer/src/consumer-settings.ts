import type { BatchBounds } from './batch-buffer.js';

/** How much a consumer takes at a time. */
export interface ConsumerSettings extends BatchBounds {
  /** Transactions that are open at the same time. The default is 2. */
  readonly batchesInFlight: number;
  /** Deliveries that are held or requested, at most. The default is 400. */
  readonly prefetch: number;
  /**
   * Bytes of their bodies, at most. Large messages would fill the memory long before their number reaches its
   * bound. The default is 32 MiB.
   */
  readonly prefetchBytes: number;
  /**
   * A message that was delivered more often than this is processed alone, if a process may have ended over
   * it. With 0, every message is processed alone. The default is 3.
   */
  readonly isolateAfterDeliveries: number;
}
