import type { DataLayer } from './data-layer.js';
import type { Transaction } from './effect.js';

/** What handlers of one event and of many have in common. */
export abstract class HandlerContext<M> {
  private opened: { readonly manager: M } | undefined;

  constructor(
    /** The name of the durable consumer. */
    readonly consumer: string,
    /**
     * All writes of the handler must go through this transaction. They commit together with the inbox, or not
     * at all.
     */
    readonly transaction: Transaction,
    private readonly dataLayer: DataLayer<M>,
  ) {}

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
