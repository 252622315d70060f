import { describe, expect, it } from '@jest/globals';
import { ProgramMetrics } from './program-metrics.js';
import { measureRetention } from './retention-metrics.js';

describe('the metrics of retention', () => {
  it('are what was dropped since the start, at each scrape', async () => {
    const metrics = new ProgramMetrics('test');
    let figures = { payloads: 10, rows: 3, bytes: 500, passedAtMs: undefined as number | undefined };
    measureRetention(metrics, () => figures);
    const lines = async (): Promise<string[]> =>
      (await metrics.text()).split('\n').filter((line) => line.startsWith('sekali_retention_'));
    const [payloads, rows, bytes] = ['payloads', 'rows', 'bytes'].map(
      (what) => `sekali_retention_dropped_${what}_total`,
    );
    const passed = 'sekali_retention_last_pass_timestamp_seconds';
    expect(await lines()).toEqual([`${payloads} 10`, `${rows} 3`, `${bytes} 500`, `${passed} 0`]);
    expect(await lines()).toEqual([`${payloads} 10`, `${rows} 3`, `${bytes} 500`, `${passed} 0`]);
    figures = { payloads: 12, rows: 4, bytes: 600, passedAtMs: 1_500 };
    expect(await lines()).toEqual([`${payloads} 12`, `${rows} 4`, `${bytes} 600`, `${passed} 1.5`]);
  });
});
