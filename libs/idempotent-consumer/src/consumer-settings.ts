/** How much a consumer takes at a time. */
import type { BatchBounds } from './intake.js';

/** Bounds of a consumer. */
export interface ConsumerSettings extends BatchBounds {
  /** Transactions at the same time. */
  readonly batchesInFlight: number;
  /** Deliveries held or asked for, at most. */
  readonly prefetch: number;
  /** Bytes of their bodies, at most: large messages would fill the memory long before their number is reached. */
  readonly prefetchBytes: number;
  /**
   * A message that was delivered more often, and over which a process may have ended, is processed alone. With 0 every message is.
   */
  readonly isolateAfterDeliveries: number;
}
