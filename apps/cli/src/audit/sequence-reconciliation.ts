/**
 * Compares what the stream has had with the ledger, sequence by sequence.
 *
 *   sequence ─ in one table of the ledger ─────────────────────────────▶ settled
 *            ├ in two ─────────────────────────────────────────────────▶ doubled   ✗
 *            ├ in none ─ gone from the stream ─────────────────────────▶ lost      ✗
 *            │         ├ at or below the consumer's ack floor ─────────▶ skipped   ✗
 *            │         └ above it ─────────────────────────────────────▶ in flight
 *            └ in the ledger, but the stream never came that far ──────▶ beyond    ✗
 *
 * It works on sets, never on sums, so that one missing and one doubled cannot cancel out. Runs come in ascending order
 * and are not kept, so memory does not grow with the stream.
 */
import { RangeTally, type SequenceRange } from './range-tally.js';

/** Sequences of the ledger, as `ledgerChunks` of the store gives them. */
export interface SettledRun {
  readonly first: number;
  readonly last: number;
  readonly doubledIn: readonly string[];
}

/** The brokers' view. */
export interface StreamBounds {
  /** The oldest message that the stream still had before the ledger was read. */
  readonly firstSeq: number;
  /** The newest message, asked for after the ledger's snapshot was fixed. */
  readonly lastSeq: number;
  /** Messages between the two that had been deleted before the ledger was read; ascending. */
  readonly deleted: readonly SequenceRange[];
  /**
   * Up to this sequence everything had been acknowledged before the ledger was read. Acks follow commits, so all of it
   * must be in the ledger.
   */
  readonly ackFloor: number;
}

/** What the comparison found. */
export interface SequenceFindings {
  readonly settled: number;
  readonly inFlight: RangeTally;
  readonly skipped: RangeTally;
  readonly lost: RangeTally;
  readonly doubled: RangeTally;
  readonly beyond: RangeTally;
}

/** The comparison of one stream. It takes every run of the ledger in ascending order, and then `finish`. */
export class SequenceReconciliation {
  private next = 1;
  private settled = 0;
  private deletedAt = 0;
  private readonly inFlight = new RangeTally();
  private readonly skipped = new RangeTally();
  private readonly lost = new RangeTally();
  private readonly doubled = new RangeTally();
  private readonly beyond = new RangeTally();

  constructor(private readonly stream: StreamBounds) {}

  /** @throws when the run does not follow the one before it */
  add(run: SettledRun): void {
    if (run.first < this.next && !(run.first < 1 && this.next === 1)) {
      throw new RangeError(`runs must ascend: ${run.first} after ${this.next - 1}`);
    }
    this.unsettled(this.next, Math.min(run.first - 1, this.stream.lastSeq));
    const lastInStream = Math.min(run.last, this.stream.lastSeq);
    this.settled += Math.max(0, lastInStream - Math.max(run.first, 1) + 1);
    if (run.doubledIn.length > 1) this.doubled.add(run.first, run.last, run.doubledIn.join(' and '));
    // Sequences begin at 1, so a row below 1 was never in the stream either.
    this.beyond.add(run.first, Math.min(run.last, 0));
    this.beyond.add(Math.max(run.first, this.stream.lastSeq + 1), run.last);
    this.next = Math.max(this.next, run.last + 1);
  }

  finish(): SequenceFindings {
    this.unsettled(this.next, this.stream.lastSeq);
    const { settled, inFlight, skipped, lost, doubled, beyond } = this;
    return { settled, inFlight, skipped, lost, doubled, beyond };
  }

  /** Sorts sequences that no table has into those gone from the stream, and those still in it. */
  private unsettled(first: number, last: number): void {
    const { firstSeq, deleted } = this.stream;
    this.lost.add(first, Math.min(last, firstSeq - 1));
    let at = Math.max(first, firstSeq);
    for (; at <= last; this.deletedAt++) {
      const range = deleted[this.deletedAt];
      if (!range || range.first > last) break;
      if (range.last < at) continue;
      this.present(at, range.first - 1);
      this.lost.add(Math.max(at, range.first), Math.min(last, range.last));
      at = range.last + 1;
      // The rest of this range may concern the next gap.
      if (range.last >= last) break;
    }
    this.present(at, last);
  }

  private present(first: number, last: number): void {
    const { ackFloor } = this.stream;
    this.skipped.add(first, Math.min(last, ackFloor));
    this.inFlight.add(Math.max(first, ackFloor + 1), last);
  }
}

/** Joins single sequences in ascending order to ranges. */
export function rangesOf(sequences: readonly number[]): SequenceRange[] {
  const ranges: { first: number; last: number }[] = [];
  for (const seq of sequences) {
    const open = ranges.at(-1);
    if (open?.last === seq - 1) open.last = seq;
    else ranges.push({ first: seq, last: seq });
  }
  return ranges;
}
