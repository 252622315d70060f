/** Consecutive sequences, both ends included. */
export interface SequenceRange {
  readonly first: number;
  readonly last: number;
  /** A remark about them, for example the tables they are in. */
  readonly note?: string;
}

/**
 * Counts sequences and remembers where the first of them are.
 *
 * The count is exact. The ranges are kept up to a bound, because the report on a stream that lost every other message
 * would otherwise fill the memory.
 */
export class RangeTally {
  private readonly kept: SequenceRange[] = [];
  private sequences = 0;
  private rangesSeen = 0;
  private open: SequenceRange | undefined;

  constructor(private readonly rangesMax = 1_000) {}

  /** Adds a range. Ranges come in ascending order; one that continues the last is joined to it. */
  add(first: number, last: number, note?: string): void {
    if (last < first) return;
    this.sequences += last - first + 1;
    const range = {
      first: this.continues(first, note) ?? first,
      last,
      ...(note === undefined ? {} : { note }),
    };
    if (range.first === first) this.rangesSeen++;
    else if (this.rangesSeen <= this.rangesMax) this.kept.pop();
    if (this.rangesSeen <= this.rangesMax) this.kept.push(range);
    this.open = range;
  }

  /** How many sequences were added. */
  get count(): number {
    return this.sequences;
  }

  /** How many of them are at or below a sequence. When ranges were omitted, only those that are kept are counted. */
  countUpTo(sequence: number): number {
    return this.kept.reduce(
      (sum, { first, last }) => sum + Math.max(0, Math.min(last, sequence) - first + 1),
      0,
    );
  }

  /** The first of the ranges. */
  get ranges(): readonly SequenceRange[] {
    return this.kept;
  }

  /** How many ranges there are in addition to `ranges`. */
  get rangesOmitted(): number {
    return this.rangesSeen - this.kept.length;
  }

  private continues(first: number, note: string | undefined): number | undefined {
    const { open } = this;
    return open?.last === first - 1 && open.note === note ? open.first : undefined;
  }
}
