/**
 * 10,000 records from each exporter of the OpenTelemetry SDK for JavaScript, by way of a network with faults. Each is
 * stored once, whatever its client believes.
 *
 * An answer that never comes makes the exporter give up after its `timeoutMillis` and drop the batch. The brokers have
 * it by then.
 */
import { beforeAll, describe, expect, it } from '@jest/globals';
import { OTLPLogExporter as JsonExporter } from '@opentelemetry/exporter-logs-otlp-http';
import { OTLPLogExporter as ProtobufExporter } from '@opentelemetry/exporter-logs-otlp-proto';
import { resourceFromAttributes } from '@opentelemetry/resources';
import { BatchLogRecordProcessor, LoggerProvider } from '@opentelemetry/sdk-logs';
import type { StatsView } from '#contracts';
import { createTestSystem, FaultProxy, startApp, waitFor, type App, type TestSystem } from '#testing';

const RECORDS = 10_000;
const BATCH = 500;
/** Shorter than the default of ten seconds, so that the answer that never comes is given up sooner. */
const TIMEOUT_MS = 6_000;
const RETRY = { 'retry-after': '1' };

let system: TestSystem;
let gateway: App;

beforeAll(async () => {
  system = await createTestSystem();
  [gateway] = await Promise.all([
    startApp('gateway', system.environment),
    startApp('worker', system.environment),
  ]);
  const { url } = gateway;
  await waitFor(async () => (await fetch(`${url}/health/ready`)).ok, { timeoutMs: 20_000, describe: url });
});

async function rows(topic: string): Promise<{ events: number; lines: number }> {
  const { rows: found } = await system.pool.query<{ events: number; lines: number }>(
    `SELECT count(*)::int AS events, count(DISTINCT payload ->> 'body')::int AS lines
     FROM sekali.event WHERE topic = $1`,
    [topic],
  );
  return found[0] ?? { events: 0, lines: 0 };
}

async function statistics(): Promise<StatsView> {
  return (await (await fetch(`${gateway.url}/stats`)).json()) as StatsView;
}

describe('10,000 records through a 503, a 429, a reset, a lost answer and one that never comes', () => {
  it.each([
    { encoding: 'json', Exporter: JsonExporter, hasIds: false },
    { encoding: 'protobuf', Exporter: ProtobufExporter, hasIds: false },
    { encoding: 'protobuf-ids', Exporter: ProtobufExporter, hasIds: true },
  ])('are stored once each, from the exporter of $encoding', async ({ encoding, Exporter, hasIds }) => {
    const before = (await statistics()).duplicates.broker;
    const proxy = await FaultProxy.start(gateway.url, {
      faults: [
        { status: 503, headers: RETRY },
        'pass',
        { status: 429, headers: RETRY },
        ...(['pass', 'reset', 'pass', 'lose', 'pass', 'hold'] as const),
      ],
    });
    const exporter = new Exporter({ url: `${proxy.url}/v1/logs`, timeoutMillis: TIMEOUT_MS });
    const provider = new LoggerProvider({
      resource: resourceFromAttributes({ 'service.name': encoding }),
      processors: [
        new BatchLogRecordProcessor({ exporter, maxQueueSize: RECORDS, maxExportBatchSize: BATCH }),
      ],
    });
    const logger = provider.getLogger('test');
    for (let n = 0; n < RECORDS; n += 1)
      logger.emit({
        body: `line ${n}`,
        attributes: hasIds ? { 'log.record.uid': `${encoding}-${n}` } : { n },
      });
    await provider.forceFlush().catch(() => undefined);
    await provider.shutdown().catch(() => undefined);

    const met = proxy.seen.map(({ fault, status }) => [fault, status]);
    expect(met).toEqual(
      expect.arrayContaining([
        ['reset', undefined],
        ['lose', 200],
        ['hold', 200],
      ]),
    );
    expect(proxy.faults).toEqual([]);
    // Each fault but the last one made the exporter send its batch again.
    expect(proxy.seen).toHaveLength(RECORDS / BATCH + 4);
    const topic = `logs.${encoding}`;
    await waitFor(async () => (await rows(topic)).events >= RECORDS, {
      timeoutMs: 30_000,
      describe: `the records of ${topic}`,
    });
    await waitFor(async () => (await statistics()).in_flight === 0, {
      timeoutMs: 30_000,
      describe: 'nothing in flight',
    });
    expect(await rows(topic)).toEqual({ events: RECORDS, lines: RECORDS });
    const { conflicts, dead_letters, duplicates } = await statistics();
    expect({ conflicts, dead_letters }).toEqual({ conflicts: 0, dead_letters: 0 });
    // Only the batch with the lost answer was sent again after the brokers had it.
    expect(duplicates.broker + duplicates.store - before).toBe(BATCH);
  });
});
