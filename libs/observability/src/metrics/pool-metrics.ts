import { Gauge } from 'prom-client';
import type { ProgramMetrics } from './program-metrics.js';

/** What a pool of `pg` says about itself. */
export interface MeasuredPool {
  readonly totalCount: number;
  readonly idleCount: number;
  readonly waitingCount: number;
  readonly options: { readonly max?: number | undefined };
}

const FIGURES: readonly { name: string; help: string; of: (pool: MeasuredPool) => number }[] = [
  { name: 'open', help: 'Open connections to the database', of: (pool) => pool.totalCount },
  {
    name: 'busy',
    help: 'Connections to the database that are in use',
    of: (pool) => pool.totalCount - pool.idleCount,
  },
  { name: 'max', help: 'Connections to the database, at most', of: (pool) => pool.options.max ?? 0 },
];

/** Measures the pool of a program. */
export function measurePool(metrics: ProgramMetrics, pool: MeasuredPool): void {
  const registers = [metrics.registry];
  for (const { name, help, of } of FIGURES) {
    const gauge = new Gauge({ name: `sekali_pool_connections_${name}`, help, registers });
    metrics.beforeScrape(() => gauge.set(of(pool)));
  }
  const waiting = new Gauge({
    name: 'sekali_pool_waiting_requests',
    help: 'Requests that wait for a connection to the database',
    registers,
  });
  metrics.beforeScrape(() => waiting.set(pool.waitingCount));
}
