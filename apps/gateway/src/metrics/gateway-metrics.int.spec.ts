/** The metrics of a gateway, and what it knows of the system. */
import 'reflect-metadata';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { drawFreePorts } from '#local-cluster';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { event, RunningGateway } from '../test/running-gateway.js';

let system: TestSystem;
let gateway: RunningGateway;
let url: string;

beforeAll(async () => {
  system = await createTestSystem();
  const [port] = await drawFreePorts(1);
  gateway = await RunningGateway.start({ ...system.environment, SEKALI_METRICS_PORT: String(port) });
  url = `http://127.0.0.1:${port}`;
});

/** The series of one scrape by their names and labels. */
async function scrape(): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

describe('a gateway', () => {
  it('counts published events by topic and answer, and refusals by cause', async () => {
    await gateway.publish([event('a'), event('b')]);
    await gateway.publish(event('a'));
    await gateway.publish('no JSON');
    await gateway.publish({ topic: 'orders.created' });
    await gateway.get('/nothing');
    // An answer is counted just after it was sent.
    const series = await waitFor(
      async () => {
        const now = await scrape();
        return now.get('sekali_refusals_total{cause="status-404"}') === 1 && now;
      },
      { timeoutMs: 10_000, describe: 'the last answer to be counted' },
    );
    const published = (outcome: string): number | undefined =>
      series.get(`sekali_publish_events_total{topic="orders.created",outcome="${outcome}"}`);
    expect([published('accepted'), published('duplicate'), published('unavailable')]).toEqual([2, 1, 0]);
    expect(series.get('sekali_refusals_total{cause="malformed-json"}')).toBe(1);
    expect(series.get('sekali_refusals_total{cause="invalid-events"}')).toBe(1);
    expect(series.get('sekali_publish_request_events_sum')).toBe(3);
    expect(series.get('sekali_publish_pending_events')).toBe(0);
    expect(series.get('sekali_http_request_seconds_count{method="POST",route="/publish",code="202"}')).toBe(
      2,
    );
    // A path of a client must not become a series.
    expect([...series.keys()].filter((name) => name.includes('nothing'))).toEqual([]);
  });

  it('reports the stream with its bound, the consumer and the database', async () => {
    const series = await waitFor(
      async () => {
        const now = await scrape();
        return now.get('sekali_lag_events') === 2 && now;
      },
      { timeoutMs: 20_000, intervalMs: 200, describe: 'the lag of two events, which no worker takes' },
    );
    expect(series.get('sekali_brokers_up')).toBe(1);
    expect(series.get('sekali_stream_bytes_max')).toBe(64 * 1024 * 1024);
    expect(series.get('sekali_stream_bytes')).toBeGreaterThan(0);
    expect(series.get('sekali_stream_replicas_expected')).toBe(3);
    expect(series.get('sekali_stream_replicas_current')).toBe(3);
    expect(series.get('sekali_lag_seconds')).toBeGreaterThan(0);
    expect(series.get('sekali_in_flight_events')).toBe(0);
    expect(series.get('sekali_database_up')).toBe(1);
    expect(series.get('sekali_ledger_events_total{outcome="dropped_by_brokers"}')).toBe(1);
    expect(series.get('sekali_partitions_end_timestamp_seconds')).toBeGreaterThan(Date.now() / 1_000);
  });
});

describe('where a setting is wrong', () => {
  it('a gateway whose port is taken does not start, and names the setting', async () => {
    const { port } = new URL(url);
    const environment = { ...system.environment, SEKALI_METRICS_PORT: port };
    await expect(RunningGateway.start(environment, false)).rejects.toThrow(/SEKALI_METRICS_PORT/);
  });
});
