import { describe, expect, it } from '@jest/globals';
import { Histogram, Registry } from 'prom-client';
import { TalliedHistogram } from './tallied-histogram.js';

const OPTIONS = { name: 'sekali_a_seconds', help: 'A', buckets: [0.1, 1, 10] };
const VALUES = [0, 0.05, 0.1, 0.100001, 1, 3, 10, 10.5, 1_000];

describe('a tallied histogram', () => {
  it('is written as prom-client writes its own', async () => {
    const [ours, theirs] = [new Registry(), new Registry()];
    const histogram = new TalliedHistogram(ours, OPTIONS);
    const expected = new Histogram({ ...OPTIONS, labelNames: ['consumer'], registers: [theirs] });
    for (const consumer of ['store', 'balances']) {
      const tally = histogram.with({ consumer });
      for (const value of VALUES) {
        tally.observe(value);
        expected.labels(consumer).observe(value);
      }
    }
    const lines = (text: string): string[] =>
      text
        .split('\n')
        .map((line) => line.replace(/\{le="([^"]*)",consumer="([^"]*)"\}/, '{consumer="$2",le="$1"}'))
        .sort();
    expect(lines(await ours.metrics())).toEqual(lines(await theirs.metrics()));
  });

  it('forgets its observations with its registry', async () => {
    const registry = new Registry();
    const tally = new TalliedHistogram(registry, OPTIONS).with();
    tally.observe(5);
    registry.resetMetrics();
    expect(await registry.metrics()).toContain('sekali_a_seconds_count 0');
  });
});
