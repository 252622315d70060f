import { type DataLayer, noDataLayer } from './data-layer.js';
import type { Transaction } from './effect.js';

/**
 * What a handler of batches gets with its events. In Nest it is `@Ctx() context: BatchContext`, and without
 * Nest the second argument.
 *
 * `M` is the type of `manager`, for example TypeORM's `EntityManager`.
 */
export class BatchContext<M = unknown> {
  private opened: { readonly manager: M } | undefined;

  constructor(
    /** The name of the durable consumer. */
    readonly consumer: string,
    /**
     * All writes of the handler must go through this transaction. They commit together with the inbox, or not
     * at all.
     */
    readonly transaction: Transaction,
    private readonly dataLayer: DataLayer<M> = noDataLayer,
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
