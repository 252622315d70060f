import type { ReadingOptions } from './reading.js';

/** How a handler is called, and for which events. Every option may be left out. */
export interface OncePerEventOptions extends ReadingOptions {
  /** Whether one call gets many events, as `Message<E>[]` and a `BatchContext`. The default is false. */
  readonly batch?: boolean;
}
