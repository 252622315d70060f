/** How long events took from the brokers' acknowledgement to their row. */
import type { EventView } from '#contracts';

/** Latencies in seconds. */
export interface Latency {
  readonly p50: number;
  readonly p99: number;
}

/** The latency of events. `undefined` for none. */
export function latencyOf(events: readonly EventView[]): Latency | undefined {
  if (events.length === 0) return undefined;
  const seconds = events
    .map((event) => Math.max(0, Date.parse(event.stored_at) - Date.parse(event.published_at)) / 1_000)
    .sort((a, b) => a - b);
  return { p50: quantile(seconds, 0.5), p99: quantile(seconds, 0.99) };
}

/** The smallest value that at least this part of all values does not exceed. */
function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.max(0, Math.ceil(part * sorted.length) - 1)] ?? 0;
}
