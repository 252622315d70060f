import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { RangeTally } from './range-tally.js';
import { rangesOf, SequenceReconciliation, type StreamBounds } from './sequence-reconciliation.js';

const bounds = (changes: Partial<StreamBounds> = {}): StreamBounds => ({
  firstSeq: 1,
  lastSeq: 10,
  deleted: [],
  ackFloor: 10,
  ...changes,
});

interface Figures {
  settled: number;
  inFlight: string;
  skipped: string;
  lost: string;
  doubled: string;
  beyond: string;
}

function show(tally: RangeTally): string {
  return tally.ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}-${last}`)).join(' ');
}

/** Compares a ledger given as runs, `[first, last]` or `[first, last, tables]`, with a stream. */
function compare(stream: StreamBounds, ...runs: [number, number, string[]?][]): Figures {
  const reconciliation = new SequenceReconciliation(stream);
  for (const [first, last, doubledIn = []] of runs) reconciliation.add({ first, last, doubledIn });
  const { settled, ...tallies } = reconciliation.finish();
  return {
    settled,
    inFlight: show(tallies.inFlight),
    skipped: show(tallies.skipped),
    lost: show(tallies.lost),
    doubled: show(tallies.doubled),
    beyond: show(tallies.beyond),
  };
}

const nothing = { inFlight: '', skipped: '', lost: '', doubled: '', beyond: '' };

describe('the comparison of a stream with the ledger', () => {
  it('finds no fault in an empty stream', () => {
    expect(compare(bounds({ firstSeq: 0, lastSeq: 0, ackFloor: 0 }))).toEqual({ settled: 0, ...nothing });
  });

  it('finds no fault when every sequence is settled once', () => {
    expect(compare(bounds(), [1, 10])).toEqual({ settled: 10, ...nothing });
    expect(compare(bounds(), [1, 4], [5, 10])).toEqual({ settled: 10, ...nothing });
  });

  it('calls what is above the ack floor and still in the stream in flight', () => {
    expect(compare(bounds({ ackFloor: 4 }), [1, 4], [7, 8])).toEqual({
      settled: 6,
      ...nothing,
      inFlight: '5-6 9-10',
    });
  });

  it('calls what is at or below the ack floor skipped', () => {
    expect(compare(bounds({ ackFloor: 6 }), [1, 4], [6, 6])).toEqual({
      settled: 5,
      ...nothing,
      skipped: '5',
      inFlight: '7-10',
    });
    expect(compare(bounds({ ackFloor: 6 }), [1, 4])).toMatchObject({ skipped: '5-6', inFlight: '7-10' });
  });

  it('calls what expired before it was stored lost, whatever the ack floor says', () => {
    expect(compare(bounds({ firstSeq: 6, ackFloor: 3 }), [1, 2], [5, 9])).toEqual({
      settled: 7,
      ...nothing,
      lost: '3-4',
      inFlight: '10',
    });
  });

  it('accepts that settled messages expired', () => {
    expect(compare(bounds({ firstSeq: 11 }), [1, 10])).toEqual({ settled: 10, ...nothing });
  });

  it('calls what was deleted from the middle of the stream lost', () => {
    const deleted = rangesOf([2, 3, 6, 7, 8, 10]);
    expect(compare(bounds({ deleted, ackFloor: 0 }), [1, 2], [4, 5], [7, 7], [9, 9])).toEqual({
      settled: 6,
      ...nothing,
      lost: '3 6 8 10',
    });
    expect(compare(bounds({ deleted, ackFloor: 0 }), [5, 5])).toMatchObject({
      lost: '2-3 6-8 10',
      inFlight: '1 4 9',
    });
  });

  it('calls what is in two tables doubled', () => {
    expect(compare(bounds(), [1, 3], [4, 5, ['duplicate', 'event_key']], [6, 10])).toEqual({
      settled: 10,
      ...nothing,
      doubled: '4-5',
    });
  });

  it('calls what the stream never had beyond', () => {
    expect(compare(bounds(), [1, 12], [20, 20])).toEqual({ settled: 10, ...nothing, beyond: '11-12 20' });
    expect(compare(bounds(), [-1, 0], [1, 10])).toEqual({ settled: 10, ...nothing, beyond: '-1-0' });
  });

  it('does not let one missing and one doubled cancel out', () => {
    const found = compare(bounds(), [1, 3], [4, 4, ['dead_letter', 'event_key']], [5, 6], [8, 10]);
    expect(found).toMatchObject({ skipped: '7', doubled: '4' });
  });

  it('refuses runs that do not ascend', () => {
    const reconciliation = new SequenceReconciliation(bounds());
    reconciliation.add({ first: 4, last: 6, doubledIn: [] });
    expect(() => {
      reconciliation.add({ first: 6, last: 7, doubledIn: [] });
    }).toThrow('ascend');
  });

  it('agrees with a plain comparison of the sets about every sequence', () => {
    const sequences = fc.uniqueArray(fc.integer({ min: 1, max: 30 }));
    fc.assert(
      fc.property(
        fc.record({ firstSeq: fc.nat(32), lastSeq: fc.nat(30), ackFloor: fc.nat(30) }),
        sequences,
        sequences,
        ({ firstSeq, lastSeq, ackFloor }, gone, settled) => {
          const deleted = rangesOf(gone.sort((a, b) => a - b));
          const reconciliation = new SequenceReconciliation({ firstSeq, lastSeq, ackFloor, deleted });
          for (const run of rangesOf(settled.sort((a, b) => a - b)))
            reconciliation.add({ ...run, doubledIn: [] });
          const found = reconciliation.finish();
          const all = Array.from({ length: lastSeq }, (_, index) => index + 1);
          const missing = all.filter((seq) => !settled.includes(seq));
          const isGone = (seq: number): boolean => seq < firstSeq || gone.includes(seq);
          expect(flat(found.lost)).toEqual(missing.filter(isGone));
          expect(flat(found.skipped)).toEqual(missing.filter((seq) => !isGone(seq) && seq <= ackFloor));
          expect(flat(found.inFlight)).toEqual(missing.filter((seq) => !isGone(seq) && seq > ackFloor));
          expect(flat(found.beyond)).toEqual(settled.filter((seq) => seq > lastSeq));
          expect(found.settled).toBe(settled.filter((seq) => seq <= lastSeq).length);
        },
      ),
      { numRuns: 500 },
    );
  });
});

describe('a tally of ranges', () => {
  it('joins consecutive sequences, keeps a bounded number of ranges and counts all', () => {
    const tally = new RangeTally(2);
    for (const seq of [1, 2, 4, 6, 7, 9]) tally.add(seq, seq);
    expect(tally.ranges).toEqual([
      { first: 1, last: 2 },
      { first: 4, last: 4 },
    ]);
    expect(tally.count).toBe(6);
    expect(tally.rangesOmitted).toBe(2);
  });

  it('counts up to a sequence', () => {
    const tally = new RangeTally();
    tally.add(2, 4);
    tally.add(8, 9);
    expect([0, 2, 5, 8, 100].map((seq) => tally.countUpTo(seq))).toEqual([0, 1, 3, 4, 5]);
  });
});

function flat(tally: RangeTally): number[] {
  return tally.ranges.flatMap(({ first, last }) =>
    Array.from({ length: last - first + 1 }, (_, index) => first + index),
  );
}
