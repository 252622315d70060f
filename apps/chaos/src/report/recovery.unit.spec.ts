import { describe, expect, it } from '@jest/globals';
import type { FaultRecord } from '../nemesis/fault.js';
import { AcknowledgementGaps } from './acknowledgement-gaps.js';
import { drainedAt, faultKindsOf, recoveriesOf, recoveryMaximaOf, timelineOf } from './recovery.js';
import { faultRecord, sampleAt } from './run-report-fixture.js';
import type { Recovery, Sample } from './timeline.js';

/** An acknowledgement every 100 ms to 100 s, except for these silences. */
function acknowledgedBut(...silences: [fromMs: number, toMs: number][]): AcknowledgementGaps {
  const gaps = new AcknowledgementGaps();
  for (let at = 0; at < 100_000; at += 100) {
    if (!silences.some(([from, to]) => from <= at && at < to)) gaps.acknowledged(at);
  }
  return gaps;
}

/** A sample every half second to 100 s, in which one message is settled each, except for these standstills. */
function settledBut(...standstills: [fromMs: number, toMs: number][]): Sample[] {
  let settled = 0;
  return Array.from({ length: 201 }, (_, index) => {
    const atMs = index * 500;
    if (!standstills.some(([from, to]) => from <= atMs && atMs < to)) settled++;
    return sampleAt(atMs, { settled, lag: 5 });
  });
}

interface Seen {
  acknowledgements?: AcknowledgementGaps;
  samples?: readonly Sample[];
  loadEndedAtMs?: number;
}

function recover(faults: FaultRecord[], seen: Seen): Recovery[] {
  return recoveriesOf({
    faults,
    acknowledgements: seen.acknowledgements ?? acknowledgedBut(),
    samples: seen.samples ?? settledBut(),
    loadEndedAtMs: seen.loadEndedAtMs ?? 100_000,
  });
}

const refusals = (faults: FaultRecord[], seen: Seen): number[] =>
  recover(faults, seen).map(({ refusedMs }) => refusedMs);
const resumptions = (faults: FaultRecord[], seen: Seen): (number | null)[] =>
  recover(faults, seen).map(({ resumedMs }) => resumedMs);

describe('the refusal of a fault', () => {
  it('is the longest silence from its start on', () => {
    const acknowledgements = acknowledgedBut([5_000, 9_000], [12_000, 13_500], [21_000, 24_000]);
    expect(refusals([faultRecord('a', 10_000, 20_000)], { acknowledgements })).toEqual([3_000]);
  });

  it('ends 30 s after the healing', () => {
    const acknowledgements = acknowledgedBut([45_000, 80_000]);
    expect(refusals([faultRecord('a', 10_000, 20_000)], { acknowledgements })).toEqual([5_000]);
  });

  it('ends when the next fault starts', () => {
    const acknowledgements = acknowledgedBut([29_000, 33_000]);
    const faults = [faultRecord('a', 10_000, 20_000), faultRecord('b', 30_000, 40_000)];
    expect(refusals(faults, { acknowledgements })).toEqual([1_000, 3_000]);
  });

  it('does not end when a next fault could not be applied', () => {
    const acknowledgements = acknowledgedBut([29_000, 33_000]);
    const faults = [faultRecord('a', 10_000, 20_000), faultRecord('b', 30_000, 30_000, { problem: 'no' })];
    expect(refusals(faults, { acknowledgements })).toEqual([4_000, 0]);
  });

  it('ends with the load, because silence after it is intended', () => {
    const acknowledgements = acknowledgedBut([30_000, 100_000]);
    expect(refusals([faultRecord('a', 10_000, 20_000)], { acknowledgements, loadEndedAtMs: 30_000 })).toEqual(
      [0],
    );
  });

  it('is charged to each of the faults that overlap, in any order of the list', () => {
    const acknowledgements = acknowledgedBut([15_000, 18_000]);
    const faults = [
      faultRecord('inner', 14_000, 16_000),
      faultRecord('outer', 10_000, 30_000),
      faultRecord('later', 17_000, 40_000),
    ];
    const found = recover(faults, { acknowledgements });
    expect(found.map(({ fault, refusedMs }) => [fault.name, refusedMs])).toEqual([
      ['outer', 3_000],
      // The fault is over at 16 s, and the next begins at 17 s.
      ['inner', 2_000],
      ['later', 1_000],
    ]);
  });
});

describe('the resumption after a fault', () => {
  it('is the time from the healing to the first sample in which more is settled', () => {
    const samples = settledBut([10_000, 22_500]);
    expect(resumptions([faultRecord('a', 10_000, 20_000)], { samples })).toEqual([2_500]);
  });

  it('takes no time when settling never stopped', () => {
    expect(resumptions([faultRecord('a', 10_000, 20_000)], {})).toEqual([500]);
  });

  it('is null for a fault that never recovers', () => {
    const samples = settledBut([10_000, Infinity]);
    expect(resumptions([faultRecord('a', 10_000, 20_000)], { samples })).toEqual([null]);
  });

  it('does not count what was settled before the fault, and seen only after it', () => {
    // Postgres cannot be read from 10 to 20 s. What it settled at the last moment shows at 20.5 s.
    const figures: [number, number | null][] = [
      [9_500, 100],
      [10_000, null],
      [20_000, null],
      [20_500, 130],
      [21_000, 130],
      [24_000, 131],
    ];
    const samples = figures.map(([atMs, settled]) => sampleAt(atMs, { settled, lag: settled && 50 }));
    expect(resumptions([faultRecord('a', 10_000, 20_000)], { samples })).toEqual([4_000]);
  });

  it('is the first sample with everything settled', () => {
    const samples = [
      sampleAt(9_500, { settled: 100, lag: 10 }),
      sampleAt(10_000, { settled: null, lag: null }),
      sampleAt(22_000, { settled: 110, lag: 0 }),
      sampleAt(22_500, { settled: 110, lag: 0 }),
    ];
    expect(resumptions([faultRecord('a', 10_000, 20_000)], { samples })).toEqual([2_000]);
  });

  it('is seen in that nothing lags, when the load had ended before', () => {
    const samples = [9_500, 10_000, 20_500].map((atMs) => sampleAt(atMs, { settled: 100, lag: 0 }));
    const fault = faultRecord('a', 9_000, 20_000);
    expect(resumptions([fault], { samples, loadEndedAtMs: 10_000 })).toEqual([500]);
    expect(resumptions([fault], { samples, loadEndedAtMs: 30_000 })).toEqual([null]);
  });

  it('is attributed to each of the faults that overlap', () => {
    const samples = settledBut([10_000, 33_000]);
    const faults = [faultRecord('a', 10_000, 20_000), faultRecord('b', 15_000, 30_000)];
    expect(resumptions(faults, { samples })).toEqual([13_000, 3_000]);
  });

  it('is null for a fault that was not applied', () => {
    expect(resumptions([faultRecord('a', 10_000, 10_000, { problem: 'there is no leader' })], {})).toEqual([
      null,
    ]);
  });
});

describe('the drain after the load', () => {
  const lagging = (lags: (number | null)[]): Sample[] =>
    lags.map((lag, index) => sampleAt(index * 500, { lag }));

  it('is over at the first sample from which on nothing lags', () => {
    expect(drainedAt(lagging([0, 9, 0, 7, null, 0, null, 0]), 1_000)).toBe(2_500);
  });

  it('takes no time when nothing lagged at the end of the load', () => {
    expect(drainedAt(lagging([9, 9, 0, 0]), 1_000)).toBe(1_000);
  });

  it.each([
    ['something lags to the end', [9, 9, 0, 1]],
    ['the lag is not known again', [9, 9, 1, null]],
    ['there are no samples', []],
  ])('never happened when %s', (_, lags) => {
    expect(drainedAt(lagging(lags), 500)).toBeNull();
  });
});

describe('the faults of a run together', () => {
  const recoveries: Recovery[] = [
    { fault: faultRecord('b', 0, 1), refusedMs: 100, resumedMs: 900 },
    { fault: faultRecord('a', 2, 3), refusedMs: 700, resumedMs: null },
    { fault: faultRecord('b', 4, 5), refusedMs: 300, resumedMs: 400 },
    { fault: faultRecord('b', 6, 6, { problem: 'no' }), refusedMs: 0, resumedMs: null },
    { fault: faultRecord('c', 7, 9, { problem: 'healed late' }), refusedMs: 1, resumedMs: 2 },
  ];

  it('are counted by kind', () => {
    expect(faultKindsOf(recoveries)).toEqual([
      {
        name: 'a',
        times: 1,
        notApplied: 0,
        notResumed: 1,
        longestRefusedMs: 700,
        longestResumedMs: null,
      },
      { name: 'b', times: 2, notApplied: 1, notResumed: 0, longestRefusedMs: 300, longestResumedMs: 900 },
      { name: 'c', times: 1, notApplied: 0, notResumed: 0, longestRefusedMs: 1, longestResumedMs: 2 },
    ]);
  });

  it('have a worst recovery', () => {
    const timeline = { samples: [], recoveries, loadEndedAtMs: 1_000, drainedAtMs: 3_500 };
    expect(recoveryMaximaOf(timeline)).toEqual({
      longestRefusedMs: 700,
      longestResumedMs: 900,
      notResumed: 1,
      drainMs: 2_500,
    });
    expect(recoveryMaximaOf({ ...timeline, recoveries: [], drainedAtMs: null })).toEqual({
      longestRefusedMs: 0,
      longestResumedMs: null,
      notResumed: 0,
      drainMs: null,
    });
  });

  it('are in the timeline', () => {
    const samples = settledBut().map((sample) => ({ ...sample, lag: sample.atMs < 99_000 ? 1 : 0 }));
    const timeline = timelineOf({
      samples,
      faults: [faultRecord('a', 10_000, 20_000)],
      acknowledgements: acknowledgedBut([12_000, 13_000]),
      loadEndedAtMs: 90_000,
    });
    expect(timeline).toEqual({
      samples,
      recoveries: [{ fault: faultRecord('a', 10_000, 20_000), refusedMs: 1_000, resumedMs: 500 }],
      loadEndedAtMs: 90_000,
      drainedAtMs: 99_000,
    });
  });
});
