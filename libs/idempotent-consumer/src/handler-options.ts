import type { OnDeadLetter, OrderKey } from './order/order-key.js';
import type { ReadingOptions } from './reading.js';

/** For a handler that needs an order. */
export interface OrderOptions<E> {
  /**
   * The key of an event, such as `(payment: Payment) => payment.account`. Events of one key take effect in the order of
   * the stream, and other keys go on where one of them has to wait. It gets what the handler gets. An event for which
   * it throws, or returns neither text nor a number, is a dead letter. By default they have none.
   */
  readonly orderBy?: (event: E) => OrderKey;
  /**
   * What happens to the events behind a dead letter of their key: they go on (`skip`, the default), or they wait until
   * it is released (`hold`).
   */
  readonly onDeadLetter?: OnDeadLetter;
}

/** How a handler is called, and for which events. Every option may be left out. */
export interface OncePerEventOptions<E = never> extends ReadingOptions, OrderOptions<E> {
  /** Whether one call gets many events, as `Message<E>[]` and a `BatchContext`. The default is false. */
  readonly batch?: boolean;
}
