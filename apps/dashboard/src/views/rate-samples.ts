/** Rates by outcome, from the figures that the page has read since it was opened. */
import type { StatsView } from '#contracts';
import type { ChartData } from '../chart.js';

/** Samples that are kept: ten minutes, one every two seconds. */
const SAMPLES_MAX = 300;
/** A pause that is longer is a gap in the chart. */
const GAP_MS = 10_000;

interface Totals {
  readonly atMs: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly conflict: number;
  readonly deadLetter: number;
}

/** Figures per second. Null where they are not known. */
export interface Rates {
  readonly atMs: number;
  readonly stored: number | null;
  readonly duplicate: number | null;
  readonly conflict: number | null;
  readonly deadLetter: number | null;
}

/** The samples of one page. */
export class RateSamples {
  private last: Totals | undefined;
  private readonly rates: Rates[] = [];

  /** Adds figures. Those of the same moment are added once. */
  add(stats: StatsView, atMs: number): void {
    const totals = {
      atMs,
      stored: stats.unique_processed,
      duplicate: stats.duplicate_dropped - stats.conflicts,
      conflict: stats.conflicts,
      deadLetter: stats.dead_letters,
    };
    const { last } = this;
    if (last !== undefined && atMs <= last.atMs) return;
    this.last = totals;
    if (last === undefined) return;
    this.rates.push(ratesBetween(last, totals));
    if (this.rates.length > SAMPLES_MAX) this.rates.shift();
  }

  /** The newest rates. */
  get newest(): Rates | undefined {
    return this.rates.at(-1);
  }

  /** The chart of all samples, or `undefined` while there are fewer than two. */
  get chart(): ChartData | undefined {
    if (this.rates.length < 2) return undefined;
    const row = (name: 'stored' | 'duplicate' | 'conflict' | 'deadLetter'): (number | null)[] =>
      this.rates.map((rates) => rates[name]);
    return {
      times: this.rates.map(({ atMs }) => atMs / 1_000),
      values: {
        stored: row('stored'),
        duplicate: row('duplicate'),
        conflict: row('conflict'),
        'dead-letter': row('deadLetter'),
      },
    };
  }
}

/** A gateway that was started again may know fewer duplicates, and a pause has no rate that one could show. */
function ratesBetween(before: Totals, after: Totals): Rates {
  const ms = after.atMs - before.atMs;
  const isGap = ms > GAP_MS;
  const perSecond = (from: number, to: number): number | null =>
    isGap || to < from ? null : ((to - from) * 1_000) / ms;
  return {
    atMs: after.atMs,
    stored: perSecond(before.stored, after.stored),
    duplicate: perSecond(before.duplicate, after.duplicate),
    conflict: perSecond(before.conflict, after.conflict),
    deadLetter: perSecond(before.deadLetter, after.deadLetter),
  };
}
