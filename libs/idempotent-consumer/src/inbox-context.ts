import { type DataLayer, noDataLayer } from './data-layer.js';
import type { Message } from './delivery.js';
import type { Transaction } from './effect.js';
import { type TraceContext, traceOf } from './trace-context.js';

/**
 * What a handler gets with its event. In Nest it is `@Ctx() { transaction, event }: InboxContext`, and
 * without Nest the second argument.
 *
 * `M` is the type of `manager`, for example TypeORM's `EntityManager`. `E` is the type of the event.
 */
export class InboxContext<M = unknown, E = unknown> {
  private opened: { readonly manager: M } | undefined;

  constructor(
    /** The name of the durable consumer. */
    readonly consumer: string,
    /**
     * All writes of the handler must go through this transaction. They commit together with the inbox, or not
     * at all.
     */
    readonly transaction: Transaction,
    /** The event with its identity and its delivery. */
    readonly event: Message<E>,
    private readonly dataLayer: DataLayer<M> = noDataLayer,
  ) {}

  /** The W3C trace context of the event, for a span of the handler. */
  get trace(): TraceContext | undefined {
    return traceOf(this.event.delivery);
  }

  /**
   * Whether the handler has read `manager`. A data layer may send a statement some moments after its call.
   */
  get usesManager(): boolean {
    return this.opened !== undefined;
  }

  /** The program's data layer on the same transaction. @throws when the transport has no `dataLayer` */
  get manager(): M {
    this.opened ??= { manager: this.dataLayer(this.transaction) };
    return this.opened.manager;
  }
}
