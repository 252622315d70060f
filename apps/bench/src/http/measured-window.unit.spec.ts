import { performance } from 'node:perf_hooks';
import { describe, expect, it } from '@jest/globals';
import { MeasuredWindow } from './measured-window.js';

/** The window is open from 100 s to 300 s. Moments are in seconds since its construction. */
function windowAt(): { counts: (sent: number, answered: number) => boolean; rate: (now: number) => number } {
  const start = performance.now();
  const window = new MeasuredWindow({ leadInMs: 100_000, durationMs: 200_000 });
  return {
    counts: (sent, answered) => window.counts(start + sent * 1_000, start + answered * 1_000),
    rate: (now) => window.ratePerSecond(start + now * 1_000),
  };
}

describe('MeasuredWindow', () => {
  it('counts requests that were sent and answered while it was open', () => {
    const { counts, rate } = windowAt();
    expect([counts(20, 90), counts(110, 120), counts(200, 290), counts(301, 310)]).toStrictEqual([
      false,
      true,
      true,
      false,
    ]);
    expect(rate(400)).toBeCloseTo(2 / 200, 5);
  });

  it('counts a request that crosses an edge by the part inside', () => {
    const { counts, rate } = windowAt();
    expect([counts(80, 120), counts(280, 320)]).toStrictEqual([true, true]);
    expect(rate(400)).toBeCloseTo(1 / 200, 5);
  });

  it('gives requests longer than itself their true rate', () => {
    const { counts, rate } = windowAt();
    // There are four connections, and each request takes 400 s: that is one per hundred seconds.
    for (let connection = 0; connection < 4; connection += 1) counts(0, 400);
    expect(rate(400)).toBeCloseTo(1 / 100, 5);
  });

  it('divides by the time it took when it ends early', () => {
    const { counts, rate } = windowAt();
    counts(100, 150);
    expect(rate(150)).toBeCloseTo(1 / 50, 5);
  });

  it('closes at its time', () => {
    const start = performance.now();
    const window = new MeasuredWindow({ leadInMs: 100_000, durationMs: 200_000 });
    expect([299_000, 301_000].map((ms) => window.isClosed(start + ms))).toStrictEqual([false, true]);
  });

  it('has rate 0 without an answer', () => {
    expect(windowAt().rate(400)).toBe(0);
    expect(windowAt().rate(50)).toBe(0);
  });
});
