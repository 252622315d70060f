/** The comparison of histories, with what the ledger knows of the stream: what the consumer `store` has settled. */
import {
  compareHistory as compareKnown,
  differingRows as differingKnown,
  type HistoryComparison,
  type Incarnation,
  isSameHistory as isSameKnown,
  type KnownHistory,
  type StreamWitness,
} from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';

/** Every message of the ledger has a row in one of them that says when it was published. */
export const DATED_TABLES = ['sekali.event', 'sekali.duplicate', 'sekali.dead_letter'];

function known(incarnation: Incarnation): KnownHistory {
  return { tables: DATED_TABLES, incarnation };
}

/** Compares the ledger of one incarnation with the stream as it is. */
export function compareHistory(
  database: Queryable,
  incarnation: Incarnation,
  witness: StreamWitness,
): Promise<HistoryComparison> {
  return compareKnown(database, known(incarnation), witness);
}

/** Whether the ledger has anything of an incarnation that can be compared, and the stream has the same. */
export function isSameHistory(
  database: Queryable,
  incarnation: Incarnation,
  witness: StreamWitness,
): Promise<boolean> {
  return isSameKnown(database, known(incarnation), witness);
}

/** The rows of a ledger that say something else than the stream about their sequences, ascending. */
export function differingRows(
  database: Queryable,
  incarnation: Incarnation,
  witness: StreamWitness,
  newest: number,
  spread: number,
): Promise<{ readonly compared: number; readonly seqs: readonly number[] }> {
  return differingKnown(database, known(incarnation), witness, newest, spread);
}
