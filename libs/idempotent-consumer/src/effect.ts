import type { QueryResult, QueryResultRow } from 'pg';
import type { Message } from './delivery.js';

/** A statement that a connection prepares once. Its plan is kept, and may become a bad one when a table grows. */
export interface PreparedStatement {
  /** Every other text has another name. */
  readonly name: string;
  readonly text: string;
}

/** The open transaction that the inbox and the effect share. */
export interface Transaction {
  /** The incarnation of the stream to which the sequences belong. */
  readonly streamId: number;
  /**
   * Sends one statement to Postgres, within the transaction.
   *
   * @param statement SQL with parameters `$1`, `$2` and so on; it may set savepoints, and may not begin or end the
   *   transaction
   * @param values the parameters
   * @throws the error of Postgres, or an error that names the handler for a statement after the end of its call
   */
  query<R extends QueryResultRow = QueryResultRow>(
    statement: string | PreparedStatement,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>>;
}

/** How a consumer compares the content of duplicates. Both functions may be left out. */
export interface Comparison<E> {
  /**
   * Finds real conflicts among duplicates whose digest differs from that of the first message. If this is
   * left out, each different digest is a conflict.
   *
   * @param candidates duplicates whose digests differ
   * @returns the sequences of those whose content really differs
   */
  findConflicts?(candidates: readonly Message<E>[], transaction: Transaction): Promise<ReadonlySet<number>>;

  /**
   * Returns the content of a conflicting duplicate as JSON text. The inbox keeps it, so that an operator can
   * inspect it.
   */
  contentOf?(message: Message<E>): string;
}

/** The effect of a consumer that takes many events at a time. */
export interface Effect<E> extends Comparison<E> {
  /**
   * Applies the effect of events through `transaction`, which commits together with the inbox or not at all.
   *
   * The ids are claimed meanwhile. If one of them proves to be known, the transaction is rolled back and this
   * is called again with the other events. So no event takes effect twice.
   *
   * An error is the fault of one of the events. The batch is divided until that event stands alone. It is
   * retried with a growing delay, a bounded number of times, and then becomes a dead letter with the error.
   * `Poison` and `RetryLater` state directly what happens to an event. An error of this function is never an
   * outage, unless its connection was lost.
   *
   * @param fresh at least one event, none of which took effect before
   */
  apply(fresh: readonly Message<E>[], transaction: Transaction): Promise<void>;
}

/**
 * The effect of a consumer that takes one event at a time. Events of one batch share a transaction all the
 * same.
 */
export interface EventEffect<E> extends Comparison<E> {
  /**
   * Applies the effect of one event, as `Effect.apply` does for many. An error is the fault of that event and
   * of no other.
   */
  applyOne(message: Message<E>, transaction: Transaction): Promise<void>;
}
