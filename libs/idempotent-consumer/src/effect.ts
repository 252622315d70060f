/** What a consumer does with events, once for each. */
import type { QueryResult, QueryResultRow } from 'pg';
import type { Message } from './delivery.js';

/** The open transaction that the inbox and the effect share. */
export interface Transaction {
  /** Which making of the stream the sequences belong to. */
  readonly streamId: number;
  query<R extends QueryResultRow = QueryResultRow>(
    text: string,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}

/** How a consumer compares the content of duplicates, if it can. */
export interface Comparison<E> {
  /**
   * Of duplicates whose digest differs from the first one's, finds those whose content really differs, and
   * returns their sequences. Without this, a different digest is a conflict.
   */
  findConflicts?(candidates: readonly Message<E>[], transaction: Transaction): Promise<ReadonlySet<number>>;

  /** JSON text to keep of a conflicting duplicate, so that it can be looked at. */
  contentOf?(message: Message<E>): string;
}

/** The effect of a consumer that takes many events at a time. */
export interface Effect<E> extends Comparison<E> {
  /**
   * Applies the effect of events, all of it through `transaction`, which commits with the inbox or not at all. None of them
   * took effect before, or the transaction is rolled back: ids are claimed meanwhile, and where one proves to be there
   * already, this is called again with the others.
   *
   * What it throws is the fault of one of the events: the batch is divided until that one stands alone. It is tried again
   * with a growing delay, a bounded number of times, and then is a dead letter with the error. `Poison` and `RetryLater` say
   * outright what is to become of an event. Nothing that it throws is an outage, except when its connection has died.
   */
  apply(fresh: readonly Message<E>[], transaction: Transaction): Promise<void>;
}

/** The effect of a consumer that takes one event at a time. Those that come together share a transaction all the same. */
export interface EventEffect<E> extends Comparison<E> {
  /** As `apply` of `Effect`, for one event. What it throws is the fault of that event, and of no other. */
  applyOne(message: Message<E>, transaction: Transaction): Promise<void>;
}
