/**
 * What a process uses, under the names that every Node program has: `process_…` and `nodejs_…`.
 *
 * Designs: `collectDefaultMetrics` of prom-client observes every garbage collection and wakes the event loop 100 times a
 * second. A worker collects garbage all the time, and would pay for it. These figures are read when they are scraped, and
 * only the event loop is sampled.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Counter, Gauge, type Registry } from 'prom-client';

/** A lag that matters is longer. */
const SAMPLE_EVERY_MS = 50;
const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;

const GAUGES: readonly { name: string; help: string; of: () => number }[] = [
  {
    name: 'process_start_time_seconds',
    help: 'When the process began, in seconds since 1970',
    of: () => performance.timeOrigin / 1_000,
  },
  {
    name: 'process_resident_memory_bytes',
    help: 'Resident memory of the process',
    of: () => process.memoryUsage.rss(),
  },
  {
    name: 'nodejs_heap_size_used_bytes',
    help: 'Memory that objects of JavaScript use',
    of: () => process.memoryUsage().heapUsed,
  },
];

/** Adds the metrics of this process. @returns what reads them, to be called before each scrape */
export function measureProcess(registry: Registry): () => void {
  const registers = [registry];
  const gauges = GAUGES.map(({ name, help, of }) => ({ gauge: new Gauge({ name, help, registers }), of }));
  const processor = new Counter({
    name: 'process_cpu_seconds_total',
    help: 'Processor time of the process',
    registers,
  });
  const lag = new Gauge({
    name: 'nodejs_eventloop_lag_p99_seconds',
    help: 'Delay of the event loop that 99 % of the samples since the last scrape stay below',
    registers,
  });
  const samples = monitorEventLoopDelay({ resolution: SAMPLE_EVERY_MS });
  samples.enable();
  let counted = 0;
  return () => {
    for (const { gauge, of } of gauges) gauge.set(of());
    const { user, system } = process.cpuUsage();
    processor.inc(user + system > counted ? (user + system - counted) / MICROSECONDS : 0);
    counted = user + system;
    // A sample has the interval in it.
    lag.set(
      samples.count === 0 ? 0 : Math.max(0, samples.percentile(99) / NANOSECONDS - SAMPLE_EVERY_MS / 1_000),
    );
    samples.reset();
  };
}
