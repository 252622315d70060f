import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { AcknowledgementGaps } from './acknowledgement-gaps.js';

function gapsOf(...times: number[]): AcknowledgementGaps {
  const gaps = new AcknowledgementGaps();
  for (const time of times) gaps.acknowledged(time);
  return gaps;
}

describe('the longest silence', () => {
  it('is 0 while acknowledgements keep coming', () => {
    expect(gapsOf(0, 90, 150, 299, 340, 460).longestMs(0, 500)).toBe(0);
  });

  it('is counted in whole steps without an acknowledgement', () => {
    expect(gapsOf(50, 1_250).longestMs(0, 2_000)).toBe(1_100);
  });

  it('ends at the ends of the span', () => {
    expect(gapsOf(50, 5_000).longestMs(1_000, 3_000)).toBe(2_000);
    expect(gapsOf(50, 5_000).longestMs(1_050, 2_950)).toBe(1_800);
  });

  it('is the whole span when nothing was ever acknowledged, also beyond what was recorded', () => {
    expect(gapsOf().longestMs(0, 200_000)).toBe(200_000);
  });

  it('is 0 in a span that ends before it begins', () => {
    expect(gapsOf().longestMs(5_000, 4_000)).toBe(0);
  });

  it('grows with the run', () => {
    const gaps = gapsOf(0, 59_950, 60_010, 7_200_000);
    expect(gaps.longestMs(0, 7_200_100)).toBe(7_139_900);
    expect(gaps.longestMs(59_000, 60_100)).toBe(900);
  });

  it('counts what came before the load as its beginning', () => {
    expect(gapsOf(-20).longestMs(0, 200)).toBe(100);
  });

  it('is never longer than it was, and less than 200 ms shorter', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 20_000 }), { minLength: 2 }), (times) => {
        const inOrder = [...times].sort((a, b) => a - b);
        const [first = 0, last = 0] = [inOrder[0], inOrder.at(-1)];
        const real = Math.max(...inOrder.map((time, index) => time - (inOrder[index - 1] ?? time)));
        const found = gapsOf(...times).longestMs(first, last);
        expect(found).toBeLessThanOrEqual(real);
        expect(found).toBeGreaterThan(real - 200);
      }),
    );
  });
});
