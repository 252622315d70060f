/**
 * Which numbers of an outbox may still get a row. It is pure, so that a test can try every interleaving.
 *
 * Numbers come from a sequence, and transactions commit in another order. A relay that only remembers the last number
 * would pass by the events of a transaction that was slow. Three designs were considered:
 *
 * - Publish only below the oldest running transaction (`pg_snapshot_xmin`). One slow transaction, in any database of the
 *   server, would then hold back every event.
 * - Delete each row after its publish, and begin at the first row again. Dead rows pile up at the head of the index while
 *   any old snapshot is open, and each poll then reads all of them. Such outboxes collapse under a backlog.
 * - Remember the last number, and which numbers below it are missing. This is the design in use: rows are only added, the
 *   relay reads on from where it was, and each missing number is checked until its transaction has ended.
 *
 *   missing in a snapshot ─▶ open, until X ─its row appears──────────▶ published
 *                                     └─all before X have ended───▶ closed: it was rolled back
 *
 * X is the id of a transaction that begins after that snapshot: the one that saves it. The transaction of a missing number
 * has a smaller id, because it got its id before the number (outbox-tables.ts), and the number before a greater one was
 * seen. The `xmax` of the snapshot would not do: it may be smaller than the id of a transaction that runs.
 */
import { SEGMENT_BITS } from './outbox-tables.js';

/** Numbers from one to another, both included, that may still get a row. */
export interface OpenRange {
  readonly from: number;
  readonly to: number;
  /** They are closed when every transaction with a smaller id has ended. 0: the id of the transaction that saves this. */
  readonly until: number;
}

/** How far a relay has got. */
export interface RelayPosition {
  /** Each number up to this one is done, or in an open range. */
  readonly passed: number;
  /** Ascending, without overlap. None crosses the border of a segment. */
  readonly open: readonly OpenRange[];
}

/** What one statement found. */
export interface Reading {
  /** The numbers of the rows that it found: open ones, and ones above `passed`; ascending. */
  readonly numbers: readonly number[];
  /** Whether there may be more, so that only numbers up to the last one were read. */
  readonly isCut: boolean;
  /** Every transaction with a smaller id had ended, as the statement saw it. */
  readonly endedBefore: number;
}

/** The position after a reading whose rows are all done. */
export function advance(
  { passed, open }: RelayPosition,
  { numbers, isCut, endedBefore }: Reading,
): RelayPosition {
  const last = numbers.at(-1) ?? 0;
  const read = isCut ? last : Math.max(passed, last);
  const left: OpenRange[] = [];
  const found = new Found(numbers);
  for (const range of open) {
    const { from, to, until } = range;
    if (from > read) {
      left.push(range);
      continue;
    }
    // Of what was not read, nothing is known.
    if (until > endedBefore) left.push(...found.missing(from, Math.min(to, read), until));
    if (to > read) left.push({ from: Math.max(from, read + 1), to, until });
  }
  if (read > passed) left.push(...found.missing(passed + 1, read, 0));
  return { passed: Math.max(passed, read), open: left };
}

/** Finds what is missing between ascending numbers. Its calls have to ascend, too. */
class Found {
  private at = 0;

  constructor(private readonly numbers: readonly number[]) {}

  missing(from: number, to: number, until: number): OpenRange[] {
    const ranges: OpenRange[] = [];
    let next = from;
    for (; this.at < this.numbers.length; this.at += 1) {
      const number = this.numbers[this.at] ?? Number.POSITIVE_INFINITY;
      if (number > to) break;
      if (number > next) ranges.push(...split(next, number - 1, until));
      if (number >= next) next = number + 1;
    }
    if (next <= to) ranges.push(...split(next, to, until));
    return ranges;
  }
}

/** A range in one segment is found by one descent of one index. */
function split(from: number, to: number, until: number): OpenRange[] {
  const size = 2 ** SEGMENT_BITS;
  const ranges: OpenRange[] = [];
  for (let start = from; start <= to;) {
    const end = Math.min(to, (Math.floor(start / size) + 1) * size - 1);
    ranges.push({ from: start, to: end, until });
    start = end + 1;
  }
  return ranges;
}
