import { describe, expect, it } from '@jest/globals';
import { retryDelayMs } from './retry-delay.js';

describe('the delay of an event that failed', () => {
  it('doubles with each attempt, up to a minute', () => {
    const delays = [1, 2, 3, 4, 20].map((attempts) => retryDelayMs(attempts, 1_000, () => 0));
    expect(delays).toEqual([1_000, 2_000, 4_000, 8_000, 60_000]);
  });

  it('has a random part of up to half of it, so that events do not come back together', () => {
    expect(retryDelayMs(1, 1_000, () => 0.5)).toBe(1_250);
    expect(retryDelayMs(20, 1_000, () => 0.999_999)).toBeLessThanOrEqual(90_000);
    const delays = Array.from({ length: 50 }, () => retryDelayMs(2, 1_000));
    expect(new Set(delays).size).toBeGreaterThan(10);
    expect(Math.min(...delays)).toBeGreaterThanOrEqual(2_000);
  });
});
