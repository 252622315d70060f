import { type DataLayer, noDataLayer } from './data-layer.js';
import type { Transaction } from './effect.js';
import { HandlerContext } from './handler-context.js';

/**
 * What a handler of batches gets with its events. In Nest it is `@Ctx() context: BatchContext`, and without
 * Nest the second argument.
 *
 * `M` is the type of `manager`, for example TypeORM's `EntityManager`.
 */
export class BatchContext<M = unknown> extends HandlerContext<M> {
  constructor(consumer: string, transaction: Transaction, dataLayer: DataLayer<M> = noDataLayer) {
    super(consumer, transaction, dataLayer);
  }
}
