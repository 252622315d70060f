/** A histogram has a row for each step, also for one without a message. */
import { describe, expect, it } from '@jest/globals';
import { histogramChart } from './histogram.js';

const NONE = { stored: 0, duplicates: 0, conflicts: 0, dead_letters: 0 };

describe('a histogram', () => {
  it('has zeros where nothing came, and a conflict is not a plain duplicate', () => {
    const { times, values } = histogramChart({
      ...{ since: '2026-11-28T10:00:00.000000Z', until: '2026-11-28T10:03:00.000000Z', step_seconds: 60 },
      totals: { ...NONE, stored: 10, duplicates: 3, conflicts: 1 },
      buckets: [{ ...NONE, start: '2026-11-28T10:01:00.000000Z', stored: 10, duplicates: 3, conflicts: 1 }],
    });
    expect(times).toEqual(
      [0, 60, 120].map((seconds) => Date.parse('2026-11-28T10:00:00Z') / 1_000 + seconds),
    );
    expect(values).toMatchObject({ stored: [0, 10, 0], duplicate: [0, 2, 0], conflict: [0, 1, 0] });
  });
});
