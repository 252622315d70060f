/** Rates of topics over a window, with gaps and a gateway that knows less than before. */
import { describe, expect, it } from '@jest/globals';
import { TopicRates } from './topic-rates.js';

const topic = (stored: number): Record<string, never> | object => ({
  a: { unique_processed: stored, duplicate_dropped: 0, conflicts: 0, dead_letters: 0 },
});

function ratesAfter(...samples: readonly (readonly [seconds: number, stored: number])[]): TopicRates {
  const rates = new TopicRates();
  for (const [seconds, stored] of samples) rates.add(topic(stored) as never, seconds * 1_000);
  return rates;
}

describe('the rates of topics', () => {
  it('are over the last half minute, and unknown before there are two samples', () => {
    expect(ratesAfter([0, 10]).of('a')).toBeUndefined();
    expect(ratesAfter([0, 10], [0, 50]).of('a')).toBeUndefined();
    expect(ratesAfter([0, 10], [5, 20], [10, 60]).of('a')).toBe(5);
    expect(ratesAfter([0, 0], [15, 1_000], [30, 1_000], [46, 1_160]).of('a')).toBe(10);
    expect(ratesAfter([0, 10], [5, 20]).of('new')).toBe(0);
  });

  it('begin again after a pause, and are unknown where fewer are known than before', () => {
    expect(ratesAfter([0, 10], [25, 500]).of('a')).toBeUndefined();
    expect(ratesAfter([0, 10], [25, 500], [30, 510]).of('a')).toBe(2);
    expect(ratesAfter([0, 10], [5, 8]).of('a')).toBeUndefined();
  });
});
