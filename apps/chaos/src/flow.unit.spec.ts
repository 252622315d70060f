import { describe, expect, it } from '@jest/globals';
import { stallsOf } from './flow.js';
import { AcknowledgementGaps } from './report/acknowledgement-gaps.js';
import { faultRecord, sampleAt } from './report/run-report-fixture.js';

const GATEWAY = 'http://gateway-1';
const HELD_MS = 10_000;
const HEALING_MS = 35_000;
const split = faultRecord('split', HELD_MS, HEALING_MS, { goesOn: true });

/** Acknowledgements every 100 ms from one moment to another, and a sample with more settled every half second. */
function flow(acknowledgedMs: readonly [number, number], settledUntilMs: number, faults = [split]) {
  const gaps = new AcknowledgementGaps();
  for (let atMs = acknowledgedMs[0]; atMs <= acknowledgedMs[1]; atMs += 100) gaps.acknowledged(atMs);
  const samples = Array.from({ length: 100 }, (_, index) =>
    sampleAt(index * 500, { settled: Math.min(index * 500, settledUntilMs) }),
  );
  return { faults, samples, byGateway: new Map([[GATEWAY, gaps]]), loadEndedAtMs: 60_000 };
}

describe('stallsOf', () => {
  it('finds nothing when everything went on, or was soon back', () => {
    expect(stallsOf(flow([0, 60_000], 60_000))).toEqual([]);
    expect(stallsOf(flow([30_000, 60_000], 60_000))).toEqual([]);
  });

  it('names a gateway that acknowledged nothing until it was healed', () => {
    expect(stallsOf(flow([HEALING_MS + 500, 60_000], 60_000))).toEqual([
      'http://gateway-1 acknowledged nothing during split (split-1), from 22.0 to 35.0 s',
    ]);
  });

  it('says when nothing was settled', () => {
    expect(stallsOf(flow([0, 60_000], HELD_MS))).toEqual([
      'nothing was settled during split (split-1), from 22.0 to 35.0 s',
    ]);
  });

  it('judges no fault that takes the majority away, and none that was short', () => {
    const other = faultRecord('other', HELD_MS, HEALING_MS);
    expect(stallsOf(flow([0, 0], 0, [other]))).toEqual([]);
    expect(stallsOf(flow([0, 0], 0, [{ ...split, healingAtMs: HELD_MS + 16_000 }]))).toEqual([]);
  });

  it('expects nothing after the end of the load', () => {
    expect(stallsOf({ ...flow([0, 10_000], 10_000), loadEndedAtMs: 20_000 })).toEqual([]);
  });
});
