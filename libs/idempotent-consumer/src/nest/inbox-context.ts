/** What a Nest handler gets with its event: `@Ctx() { transaction, event }: InboxContext`. */
import { type DataLayer, noDataLayer } from '../data-layer.js';
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';
import { type TraceContext, traceOf } from '../trace-context.js';

/** The circumstances of one event. `M` is the type of `manager`, for example TypeORM's `EntityManager`. */
export class InboxContext<M = unknown, E = unknown> {
  private opened: { readonly manager: M } | undefined;

  constructor(
    /** Name of the durable consumer. */
    readonly consumer: string,
    /** Everything the handler writes must go through this: it commits with the inbox or not at all. */
    readonly transaction: Transaction,
    /** The event with its identity, and how it was delivered. */
    readonly event: Message<E>,
    private readonly dataLayer: DataLayer<M> = noDataLayer,
  ) {}

  /** The W3C trace context that came with the event, for a span of the handler's own. */
  get trace(): TraceContext | undefined {
    return traceOf(this.event.delivery);
  }

  /** Whether `manager` was asked for. A data layer sends a statement some moments after it was called. */
  get usesManager(): boolean {
    return this.opened !== undefined;
  }

  /** The program's data layer on the same transaction. @throws where the transport has no `dataLayer` */
  get manager(): M {
    this.opened ??= { manager: this.dataLayer(this.transaction) };
    return this.opened.manager;
  }
}
