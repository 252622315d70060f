/** The metrics of keys: the generations of each consumer, and what the filters of the closed ones take and spare. */
import { Counter, Gauge } from 'prom-client';
import type { ProgramMetrics } from './program-metrics.js';

/** The generations of one consumer's keys, and what their filters do, as the consumer library reports it. */
interface KeyFigures {
  readonly generations: number;
  readonly filters: number;
  readonly bytes: number;
  readonly keys: number;
  readonly asked: number;
  readonly suspected: number;
  readonly found: number;
  readonly unfiltered: number;
}

type Figure = readonly [name: string, help: string, of: (figures: KeyFigures) => number];

const GAUGES: readonly Figure[] = [
  ['generations', 'Generations of keys, the youngest included', ({ generations }) => generations],
  ['filters', 'Closed generations whose filter is in memory', ({ filters }) => filters],
  ['filter_bytes', 'Memory of the filters of keys', ({ bytes }) => bytes],
  ['filter_keys', 'Keys that the filters in memory cover', ({ keys }) => keys],
];

const COUNTERS: readonly Figure[] = [
  ['filter_asked', 'Ids that the filters were asked for', ({ asked }) => asked],
  ['filter_found', 'Lookups in a closed generation after its filter that found the id', ({ found }) => found],
  [
    'filter_false_positives',
    'Lookups in a closed generation after its filter that found nothing',
    ({ suspected, found }) => suspected - found,
  ],
  [
    'filter_missing',
    'Lookups in a closed generation whose filter is not in memory',
    ({ unfiltered }) => unfiltered,
  ],
];

/**
 * Measures the keys of the consumers at each scrape.
 *
 * @param figures returns those of each consumer by its name; what is counted never goes back
 */
export function measureKeys(metrics: ProgramMetrics, figures: () => ReadonlyMap<string, KeyFigures>): void {
  const common = { labelNames: ['consumer'] as const, registers: [metrics.registry] };
  const gauges = GAUGES.map(([name, help, of]) => ({
    metric: new Gauge({ name: `sekali_key_${name}`, help, ...common }),
    of,
  }));
  const counters = COUNTERS.map(([name, help, of]) => ({
    metric: new Counter({ name: `sekali_key_${name}_total`, help, ...common }),
    of,
    counted: new Map<string, number>(),
  }));
  metrics.beforeScrape(() => {
    for (const [consumer, of] of figures()) {
      for (const gauge of gauges) gauge.metric.set({ consumer }, gauge.of(of));
      for (const { metric, of: valueOf, counted } of counters) {
        const value = Math.max(valueOf(of), counted.get(consumer) ?? 0);
        metric.inc({ consumer }, value - (counted.get(consumer) ?? 0));
        counted.set(consumer, value);
      }
    }
  });
}
