import { describe, expect, it } from '@jest/globals';
import { measureKeys } from './key-metrics.js';
import { ProgramMetrics } from './program-metrics.js';

const FIGURES = {
  ...{ generations: 3, filters: 2, bytes: 5_000, keys: 2_000 },
  ...{ asked: 100, suspected: 7, found: 4, unfiltered: 9 },
};

describe('the metrics of keys', () => {
  it('are the figures of each consumer, and what is counted does not go back', async () => {
    const metrics = new ProgramMetrics('test');
    let figures = new Map([['store', FIGURES]]);
    measureKeys(metrics, () => figures);
    const lines = async (): Promise<string[]> =>
      (await metrics.text()).split('\n').filter((line) => line.startsWith('sekali_key_'));
    const label = '{consumer="store"}';
    const expected = [
      `sekali_key_generations${label} 3`,
      `sekali_key_filters${label} 2`,
      `sekali_key_filter_bytes${label} 5000`,
      `sekali_key_filter_keys${label} 2000`,
      `sekali_key_filter_asked_total${label} 100`,
      `sekali_key_filter_found_total${label} 4`,
      `sekali_key_filter_false_positives_total${label} 3`,
      `sekali_key_filter_missing_total${label} 9`,
    ];
    expect(await lines()).toEqual(expected);
    figures = new Map([['store', { ...FIGURES, asked: 90, unfiltered: 10 }]]);
    expect(await lines()).toEqual(
      expected.map((line) => (line.includes('missing') ? line.replace(/9$/, '10') : line)),
    );
  });
});
