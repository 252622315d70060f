import { describe, expect, it } from '@jest/globals';
import { ProgramMetrics } from './program-metrics.js';
import { measureRetention, type RetentionFigures } from './retention-metrics.js';

describe('the metrics of retention', () => {
  it('are what was dropped since the start, at each scrape', async () => {
    const metrics = new ProgramMetrics('test');
    const never = { steppedAtMs: undefined, passedAtMs: undefined };
    let figures: RetentionFigures = { payloads: 10, rows: 3, bytes: 500, ids: 7, ...never };
    measureRetention(metrics, () => figures);
    const lines = async (): Promise<string[]> =>
      (await metrics.text()).split('\n').filter((line) => line.startsWith('sekali_retention_'));
    const [payloads, rows, bytes, ids] = ['payloads', 'rows', 'bytes', 'ids'].map(
      (what) => `sekali_retention_dropped_${what}_total`,
    );
    const stepped = 'sekali_retention_last_step_timestamp_seconds';
    const passed = 'sekali_retention_last_pass_timestamp_seconds';
    expect(await lines()).toEqual([
      `${payloads} 10`,
      `${rows} 3`,
      `${bytes} 500`,
      `${ids} 7`,
      `${passed} 0`,
      `${stepped} 0`,
    ]);
    expect(await lines()).toEqual([
      `${payloads} 10`,
      `${rows} 3`,
      `${bytes} 500`,
      `${ids} 7`,
      `${passed} 0`,
      `${stepped} 0`,
    ]);
    figures = { payloads: 12, rows: 4, bytes: 600, ids: 7, steppedAtMs: 2_500, passedAtMs: 1_500 };
    expect(await lines()).toEqual([
      `${payloads} 12`,
      `${rows} 4`,
      `${bytes} 600`,
      `${ids} 7`,
      `${passed} 1.5`,
      `${stepped} 2.5`,
    ]);
  });
});
