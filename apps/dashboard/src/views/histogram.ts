/** The answer of `GET /histogram` as rows of a chart. Minutes without a message are zeros. */
import type { ChartData } from '../chart.js';

/** Counts of one step. `duplicates` contains the conflicts. */
export interface Counts {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
}

/** The answer of `GET /histogram`. */
export interface Histogram {
  readonly since: string;
  readonly until: string;
  readonly step_seconds: number;
  readonly totals: Counts;
  readonly buckets: readonly (Counts & { readonly start: string })[];
}

const NONE: Counts = { stored: 0, duplicates: 0, conflicts: 0, dead_letters: 0 };

/** Rows of a chart, one for each step. The last one is not over yet. */
export function histogramChart({ since, until, step_seconds: step, buckets }: Histogram): ChartData {
  const counts = new Map(buckets.map((bucket) => [Date.parse(bucket.start), bucket]));
  const times: number[] = [];
  for (let ms = Date.parse(since); ms < Date.parse(until); ms += step * 1_000) times.push(ms);
  const row = (read: (bucket: Counts) => number): number[] => times.map((ms) => read(counts.get(ms) ?? NONE));
  return {
    times: times.map((ms) => ms / 1_000),
    values: {
      stored: row(({ stored }) => stored),
      duplicate: row(({ duplicates, conflicts }) => duplicates - conflicts),
      conflict: row(({ conflicts }) => conflicts),
      'dead-letter': row(({ dead_letters: dead }) => dead),
    },
  };
}
