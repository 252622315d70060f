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

/** The effect of a consumer. */
export interface Effect<E> {
  /**
   * Applies the effect of events, all of it through `transaction`, which commits with the inbox or not at all. None of them
   * took effect before, or the transaction is rolled back: ids are claimed while this is at work, and where one proves to
   * be there already, this is called anew with the others.
   *
   * When it throws, the batch is divided until the event it cannot bear stands alone; an error of class 22, 23 or 54 in
   * Postgres makes that one a dead letter. Whether the event is at fault or the store is found out by an event that took
   * effect before: it is applied once more, under a sequence of its own, in a transaction that is always rolled back.
   */
  apply(fresh: readonly Message<E>[], transaction: Transaction): Promise<void>;

  /**
   * Of duplicates whose digest differs from the first one's, finds those whose content really differs, and
   * returns their sequences. Without this, a different digest is a conflict.
   */
  findConflicts?(candidates: readonly Message<E>[], transaction: Transaction): Promise<ReadonlySet<number>>;

  /** JSON text to keep of a conflicting duplicate, so that it can be looked at. */
  contentOf?(message: Message<E>): string;
}
