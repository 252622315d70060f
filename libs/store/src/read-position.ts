/**
 * How far a reader has read, so that he can go on later and neither miss nor repeat an event.
 *
 * Transactions do not commit in the order of their sequences. A position is therefore never above the settled
 * horizon; events above it that were read are remembered with the position, as ranges:
 *
 *   1 2 3 4 | 5 6 . 8 9        7 is in flight: position 6, seen 8-9
 *
 * A position is that of an event that the reader was given, or of one that his own filter looked at.
 */
import type { EventPosition, SequenceRange } from './event-queries.js';

/** Ranges that are remembered with a position, at most: a cursor has to fit into a header. */
export const SEEN_RANGES_MAX = 200;

/**
 * Sequences as ranges, those at or below `seq` left out.
 *
 * @param known ranges, in order
 * @param read sequences, in order, none of which is in `known`
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
 * The position after a read.
 *
 * @param after where the read began
 * @param read the sequences that it gave, in order
 * @param horizon up to here everything is settled
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
