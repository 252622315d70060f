/**
 * The rows of a list of events: newest first, each event once.
 *
 * Sequences begin again when a stream is created again, and times do not. So the time of publication orders rows, and
 * the sequence those of the same microsecond. Both together name an event.
 */
import type { EventView } from '#contracts';

/** What orders a row, and names it. */
type Row = Pick<EventView, 'seq' | 'published_at'>;

/** Puts events into rows at their places. Those that are there already are left out. @param events in any order */
export function withRows<T extends Row>(rows: readonly T[], events: readonly T[]): readonly T[] {
  const all = [...rows];
  for (const event of events) {
    const place = placeOf(all, event);
    if (!isSame(all[place], event)) all.splice(place, 0, event);
  }
  return all;
}

/** Whether rows have an event. @param rows in their order */
export function hasRow(rows: readonly Row[], event: Row): boolean {
  return isSame(rows[placeOf(rows, event)], event);
}

/** The key of a row. */
export function keyOf({ seq, published_at: at }: Row): string {
  return `${seq} ${at}`;
}

function placeOf(rows: readonly Row[], event: Row): number {
  const place = rows.findIndex((row) => !isNewer(row, event));
  return place === -1 ? rows.length : place;
}

function isNewer(one: Row, other: Row): boolean {
  return one.published_at === other.published_at
    ? one.seq > other.seq
    : one.published_at > other.published_at;
}

function isSame(row: Row | undefined, event: Row): boolean {
  return row?.seq === event.seq && row.published_at === event.published_at;
}
