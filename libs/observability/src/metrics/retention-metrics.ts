/** The metrics of retention: what one process has dropped by age, and when it last had nothing left to drop. */
import { Counter, Gauge } from 'prom-client';
import type { ProgramMetrics } from './program-metrics.js';

/** What a process has dropped since its start. */
export interface RetentionFigures {
  readonly rows: number;
  /** The size of the payloads as they were stored. */
  readonly bytes: number;
  /** When a pass last left nothing to drop, in milliseconds since 1970; `undefined` before the first time. */
  readonly passedAtMs: number | undefined;
}

/** Measures retention at each scrape. @param figures what is counted never goes back */
export function measureRetention(metrics: ProgramMetrics, figures: () => RetentionFigures): void {
  const registers = [metrics.registry];
  const rows = new Counter({
    name: 'sekali_retention_dropped_payloads_total',
    help: 'Payloads that this process has dropped by age',
    registers,
  });
  const bytes = new Counter({
    name: 'sekali_retention_dropped_bytes_total',
    help: 'Size of the payloads that this process has dropped by age, as they were stored',
    registers,
  });
  const passed = new Gauge({
    name: 'sekali_retention_last_pass_timestamp_seconds',
    help: 'When this process last found nothing left to drop by age; 0 before',
    registers,
  });
  const counted = { rows: 0, bytes: 0 };
  metrics.beforeScrape(() => {
    const now = figures();
    rows.inc(now.rows - counted.rows);
    bytes.inc(now.bytes - counted.bytes);
    Object.assign(counted, { rows: now.rows, bytes: now.bytes });
    passed.set((now.passedAtMs ?? 0) / 1_000);
  });
}
