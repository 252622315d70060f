import { describe, expect, it } from '@jest/globals';
import { Registry } from 'prom-client';
import { measureProcess } from './process-metrics.js';

const BLOCKED_MS = 400;

function blockEventLoop(): void {
  for (const untilMs = performance.now() + BLOCKED_MS; performance.now() < untilMs;);
}

/** Lets the event loop turn for a while, so that samples are taken. */
async function turns(): Promise<void> {
  for (const untilMs = performance.now() + BLOCKED_MS; performance.now() < untilMs;)
    await new Promise((resolve) => setImmediate(resolve));
}

async function valuesOf(registry: Registry): Promise<ReadonlyMap<string, number>> {
  const metrics = await registry.getMetricsAsJSON();
  return new Map(metrics.map(({ name, values }) => [name, values[0]?.value ?? NaN]));
}

describe('the metrics of a process', () => {
  it('grow with the processor time, and show a blocked event loop', async () => {
    const registry = new Registry();
    const read = measureProcess(registry);
    read();
    const before = await valuesOf(registry);
    // A sample is the time since the sample before.
    await turns();
    blockEventLoop();
    await turns();
    read();
    const after = await valuesOf(registry);
    expect(after.get('nodejs_eventloop_lag_p99_seconds')).toBeGreaterThan(BLOCKED_MS / 2_000);
    const processor = 'process_cpu_seconds_total';
    expect((after.get(processor) ?? 0) - (before.get(processor) ?? 0)).toBeGreaterThan(BLOCKED_MS / 4_000);
    expect(after.get('process_resident_memory_bytes')).toBeGreaterThan(10_000_000);
    expect(Math.abs((after.get('process_start_time_seconds') ?? 0) - Date.now() / 1_000)).toBeLessThan(3_600);
  });
});
