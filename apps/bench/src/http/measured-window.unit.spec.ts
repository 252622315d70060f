import { performance } from 'node:perf_hooks';
import { describe, expect, it } from '@jest/globals';
import { MeasuredWindow } from './measured-window.js';

describe('MeasuredWindow', () => {
  it('opens with the first answer after the lead-in and counts what follows until its end', () => {
    const start = performance.now();
    const window = new MeasuredWindow({ leadInMs: 100_000, durationMs: 200_000 });
    const counted = [50_000, 150_000, 250_000, 340_000, 360_000].map((ms) => window.counts(start + ms));
    expect(counted).toStrictEqual([false, false, true, true, false]);
    expect(window.ratePerSecond(start + 360_000)).toBeCloseTo(0.01, 5);
  });

  it('stays open for an answer that is late', () => {
    const start = performance.now();
    const window = new MeasuredWindow({ leadInMs: 0, durationMs: 100_000 });
    expect(window.isClosed(start + 1_000_000)).toBe(false);
    window.counts(start + 50_000);
    expect(window.isClosed(start + 200_000)).toBe(false);
    expect(window.counts(start + 250_000)).toBe(true);
    expect(window.isClosed(start + 250_001)).toBe(true);
    expect(window.ratePerSecond(start + 300_000)).toBeCloseTo(0.005, 5);
  });

  it('has no rate without an answer', () => {
    const window = new MeasuredWindow({ leadInMs: 0, durationMs: 1 });
    expect(window.ratePerSecond(performance.now() + 10)).toBe(0);
  });

  it('that ends before its time divides by the time it took', () => {
    const start = performance.now();
    const window = new MeasuredWindow({ leadInMs: 0, durationMs: 1_000_000 });
    window.counts(start + 50_000);
    window.counts(start + 100_000);
    expect(window.ratePerSecond(start + 100_000)).toBeCloseTo(0.02, 5);
  });
});
