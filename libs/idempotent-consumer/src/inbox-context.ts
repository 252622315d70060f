import { type DataLayer, noDataLayer } from './data-layer.js';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { HandlerContext } from './handler-context.js';
import { type TraceContext, traceOf } from './trace-context.js';

/**
 * What a handler gets with its event. In Nest it is `@Ctx() { transaction, event }: InboxContext`, and
 * without Nest the second argument.
 *
 * `M` is the type of `manager`, for example TypeORM's `EntityManager`. `E` is the type of the event.
 */
export class InboxContext<M = unknown, E = unknown> extends HandlerContext<M> {
  constructor(
    consumer: string,
    transaction: Transaction,
    /** The event with its identity and its delivery. */
    readonly event: Message<E>,
    dataLayer: DataLayer<M> = noDataLayer,
  ) {
    super(consumer, transaction, dataLayer);
  }

  /** The W3C trace context of the event, for a span of the handler. */
  get trace(): TraceContext | undefined {
    return traceOf(this.event.delivery);
  }
}
