/**
 * The position of a reader, from which it can continue later and neither miss nor repeat an event.
 *
 * Transactions do not commit in the order of their sequences. A position is therefore never above the settled horizon.
 * Events above it that were read are part of the position, as ranges:
 *
 *   1 2 3 4 | 5 6 . 8 9        7 is in flight: position 6, seen 8-9
 *
 * The sequence of a position is that of an event that the reader got, or of one that its filter has tried.
 */
import type { EventPosition, SequenceRange } from './event-queries.js';

/** Ranges of one position, at most, because a cursor has to fit into a header. */
export const SEEN_RANGES_MAX = 200;

/**
 * Merges sequences into ranges, without those at or below `seq`.
 *
 * @param known ranges in ascending order
 * @param read sequences in ascending order, none of which is in `known`
 * @returns the ranges in ascending order
 */
export function rangesAbove(
  seq: number,
  known: readonly SequenceRange[],
  read: readonly number[],
): SequenceRange[] {
  const all = [...known, ...read.map((one): SequenceRange => [one, one])].sort(([a], [b]) => a - b);
  const ranges: [number, number][] = [];
  for (const [first, last] of all) {
    if (last <= seq) continue;
    const before = ranges.at(-1);
    if (before !== undefined && first === before[1] + 1) before[1] = last;
    else ranges.push([Math.max(first, seq + 1), last]);
  }
  return ranges;
}

/**
 * Returns the position after a read.
 *
 * @param after the position where the read began
 * @param read the sequences that it returned, in ascending order
 * @param horizon the sequence up to which every sequence is settled
 */
export function positionAfter(after: EventPosition, read: readonly number[], horizon: number): EventPosition {
  const known = after.seen ?? [];
  const settled = [
    ...known.filter(([first]) => first <= horizon).map(([, last]) => Math.min(last, horizon)),
    ...read.filter((seq) => seq <= horizon),
  ];
  const seq = settled.reduce((most, one) => Math.max(most, one), after.seq);
  const seen = rangesAbove(seq, known, read);
  return { streamId: after.streamId, seq, ...(seen.length > 0 && { seen }) };
}

/**
 * Returns the position after each event of a page, so that a reader may be interrupted behind any of them.
 *
 * @param after the position where the page began
 * @param read its sequences, in ascending order
 * @param end the position where the page ended
 */
export function positionsAlong(
  after: EventPosition,
  read: readonly number[],
  end: EventPosition,
): EventPosition[] {
  const known = after.streamId === end.streamId ? (after.seen ?? []) : [];
  return read.map((seq, index) => {
    const place = Math.min(seq, end.seq);
    const seen = rangesAbove(
      place,
      known,
      read.slice(0, index + 1).filter((one) => one > place),
    );
    return { streamId: end.streamId, seq: place, ...(seen.length > 0 && { seen }) };
  });
}
