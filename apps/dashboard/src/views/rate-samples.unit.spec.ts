/** Rates come from figures that were read one after the other. */
import { describe, expect, it } from '@jest/globals';
import type { StatsView } from '#contracts';
import { RateSamples } from './rate-samples.js';

function stats(stored: number, duplicates = 0, conflicts = 0, deadLetters = 0): StatsView {
  return {
    ...{ received: 0, in_flight: 0, gone: 0, lag_seconds: 0, expires_in_seconds: null, uptime_seconds: 0 },
    ids_kept_days: null,
    ...{ topics: [], per_topic: {}, more_topics: false, redelivered: 0, duplicates: { broker: 0, store: 0 } },
    ...{ unique_processed: stored, duplicate_dropped: duplicates, conflicts, dead_letters: deadLetters },
  };
}

describe('rates', () => {
  it('are per second, and a conflict is not a plain duplicate', () => {
    const samples = new RateSamples();
    samples.add(stats(10), 0);
    samples.add(stats(30, 6, 2, 1), 2_000);
    expect(samples.newest).toMatchObject({ stored: 10, duplicate: 2, conflict: 1, deadLetter: 0.5 });
  });

  it('are not known over a pause, or where a figure has become smaller', () => {
    const samples = new RateSamples();
    samples.add(stats(10, 4), 0);
    samples.add(stats(20, 3), 2_000);
    expect(samples.newest).toMatchObject({ stored: 5, duplicate: null });
    samples.add(stats(500), 60_000);
    expect(samples.newest).toMatchObject({ stored: null });
  });

  it('are counted once for the same answer', () => {
    const samples = new RateSamples();
    for (const atMs of [0, 2_000, 2_000, 4_000]) samples.add(stats(atMs), atMs);
    expect(samples.chart?.times).toEqual([2, 4]);
  });
});
