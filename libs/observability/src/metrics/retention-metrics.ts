/** The metrics of retention: what one process has dropped by age, and when it last had nothing left to drop. */
import { Counter, Gauge } from 'prom-client';
import type { ProgramMetrics } from './program-metrics.js';

/** What a process has dropped since its start. */
export interface RetentionFigures {
  readonly payloads: number;
  /** Duplicates, conflicts and dead letters. */
  readonly rows: number;
  /** The size of the payloads as they were stored. */
  readonly bytes: number;
  /** Ids that were forgotten. */
  readonly ids: number;
  /** When something was last dropped, or a part of it was noted, in milliseconds since 1970; `undefined` before. */
  readonly steppedAtMs: number | undefined;
  /** When a pass last left nothing to drop, in milliseconds since 1970; `undefined` before the first time. */
  readonly passedAtMs: number | undefined;
}

const COUNTERS = [
  ['payloads', 'payloads', 'Payloads that this process has dropped by age'],
  ['rows', 'rows', 'Duplicates, conflicts and dead letters that this process has dropped by age'],
  ['bytes', 'bytes', 'Size of the payloads that this process has dropped by age, as they were stored'],
  ['ids', 'ids', 'Ids that this process has forgotten by age'],
] as const;

/** Measures retention at each scrape. @param figures what is counted never goes back */
export function measureRetention(metrics: ProgramMetrics, figures: () => RetentionFigures): void {
  const common = { registers: [metrics.registry] };
  const counters = COUNTERS.map(([figure, name, help]) => ({
    figure,
    metric: new Counter({ name: `sekali_retention_dropped_${name}_total`, help, ...common }),
    counted: 0,
  }));
  const passed = new Gauge({
    name: 'sekali_retention_last_pass_timestamp_seconds',
    help: 'When this process last found nothing left to drop by age; 0 before',
    ...common,
  });
  const stepped = new Gauge({
    name: 'sekali_retention_last_step_timestamp_seconds',
    help: 'When this process last dropped something by age, or a part of it; 0 before',
    ...common,
  });
  metrics.beforeScrape(() => {
    const now = figures();
    for (const counter of counters) {
      counter.metric.inc(now[counter.figure] - counter.counted);
      counter.counted = now[counter.figure];
    }
    stepped.set((now.steppedAtMs ?? 0) / 1_000);
    passed.set((now.passedAtMs ?? 0) / 1_000);
  });
}
