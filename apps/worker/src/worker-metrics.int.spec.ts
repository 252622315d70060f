/** The metrics and the health of a worker are what happened, and not what was tried. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import { connectionsNeeded, PullConsumerStrategy } from '#idempotent-consumer';
import { drawFreePorts } from '#local-cluster';
import { createLogger } from '#observability';
import type { ConsumerProgram } from '#observability/metrics';
import { createPool } from '#postgres';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { ledgerBecomes, ledgerOf, nothingUnsettled, publishEvent } from './test/consumer-fixture.js';
import { transportOptions } from './transport-options.js';
import { measured, workerMetrics } from './worker-metrics.js';
import { WorkerModule } from './worker.module.js';

const STUCK_MS = 500;
/** More than keep their names. */
const TOPICS = 120;
const TOPICS_NAMED = 100;

let system: TestSystem;
let pool: Pool;
let app: INestMicroservice;
let metrics: ConsumerProgram;
let url: string;
let hangs = false;
let release = (): void => undefined;

beforeAll(async () => {
  system = await createTestSystem();
  pool = createPool({
    url: system.postgresUrl,
    name: 'test',
    connectionsMax: connectionsNeeded(1),
    transactionMsMax: 5_000,
  });
  const [port] = await drawFreePorts(1);
  const settings = readWorkerSettings({ ...system.environment, SEKALI_METRICS_PORT: String(port) });
  const logger = createLogger('test', 'silent');
  metrics = workerMetrics(settings, pool);
  const options = transportOptions(settings, system.connection, pool, logger);
  const { deciderOf = (_pattern, decider) => decider } = options;
  const hanging: typeof options = {
    ...options,
    deciderOf: (pattern, decider) => {
      const inner = deciderOf(pattern, decider);
      return {
        isSlow: (streamId, seq) => inner.isSlow(streamId, seq),
        suspectsAmong: (streamId, deliveries) => inner.suspectsAmong(streamId, deliveries),
        processSuspect: (streamId, suspect) => inner.processSuspect(streamId, suspect),
        process: async (streamId, batch) => {
          if (hangs) await new Promise<void>((resolve) => (release = resolve));
          return inner.process(streamId, batch);
        },
      };
    },
  };
  const strategy = new PullConsumerStrategy<SekaliEvent>(measured(hanging, metrics));
  await metrics.serve(() => strategy.health(STUCK_MS), logger);
  url = `http://127.0.0.1:${port}`;
  app = await NestFactory.createMicroservice<MicroserviceOptions>(WorkerModule, { strategy, logger: false });
  await app.listen();
});

afterAll(async () => {
  release();
  metrics.close();
  await app.close();
  await pool.end();
  await system.dispose();
});

async function scrape(): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text();
  return new Map(
    text
      .split('\n')
      .filter((line) => line !== '' && !line.startsWith('#'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]),
  );
}

/** The sum of the series of a metric whose labels include these. */
async function sumOf(metric: string, ...labels: string[]): Promise<number> {
  let sum = 0;
  for (const [series, value] of await scrape())
    if (series.startsWith(`${metric}{`) && labels.every((label) => series.includes(label))) sum += value;
  return sum;
}

async function status(path: string): Promise<number> {
  return (await fetch(`${url}${path}`)).status;
}

describe('a worker', () => {
  it('counts each delivery by its topic and outcome, and measures its way', async () => {
    await publishEvent(system, { topic: 'orders', id: 'a', payload: '{"n":1}' });
    await publishEvent(system, { topic: 'orders', id: 'b' });
    await ledgerBecomes(system, ledgerOf(2));
    await publishEvent(system, { topic: 'orders', id: 'b' });
    await publishEvent(system, { topic: 'orders', id: 'a', payload: '{"n":2}' });
    await publishEvent(system, { topic: 'orders', id: 'c', payload: 'no JSON' });
    await ledgerBecomes(system, ledgerOf(2, 2, 1, 1));
    await nothingUnsettled(system);
    const counts: Record<string, number> = {};
    for (const outcome of ['stored', 'duplicate', 'conflict', 'dead_letter', 'already_processed', 'retry'])
      counts[outcome] = await sumOf('sekali_deliveries_total', 'topic="orders"', `outcome="${outcome}"`);
    expect(counts).toEqual({
      ...{ stored: 2, duplicate: 1, conflict: 1, dead_letter: 1 },
      ...{ already_processed: 0, retry: 0 },
    });
    const series = await scrape();
    expect(series.get('sekali_dead_letters_total{consumer="store",reason="not_json"}')).toBe(1);
    expect(series.get('sekali_end_to_end_seconds_count{consumer="store"}')).toBe(2);
    expect(series.get('sekali_batch_deliveries_sum{consumer="store"}')).toBe(5);
    const progress = series.get('sekali_consumer_last_progress_timestamp_seconds{consumer="store"}') ?? 0;
    expect(Date.now() / 1_000 - progress).toBeLessThan(60);
    expect(series.get('sekali_pool_connections_max')).toBe(connectionsNeeded(1));
  });

  it('names a bounded number of topics, and counts the others together', async () => {
    for (let n = 0; n < TOPICS; n++) await publishEvent(system, { topic: `many.${n}`, id: 'a' });
    await ledgerBecomes(system, ledgerOf(2 + TOPICS, 2, 1, 1));
    await nothingUnsettled(system);
    const stored = 'outcome="stored"';
    // `orders` has one of the names.
    expect(await sumOf('sekali_deliveries_total', 'topic="many.', stored)).toBe(TOPICS_NAMED - 1);
    expect(await sumOf('sekali_deliveries_total', 'topic="(other)"', stored)).toBe(TOPICS + 1 - TOPICS_NAMED);
    expect(await sumOf('sekali_deliveries_total', stored)).toBe(2 + TOPICS);
  });

  it('is well while it gets on, and not while its consumer makes no progress, connected or not', async () => {
    expect([await status('/health/live'), await status('/health/ready')]).toEqual([200, 200]);
    hangs = true;
    await publishEvent(system, { id: 'hangs' });
    await waitFor(async () => (await status('/health/ready')) === 503, {
      timeoutMs: 20_000,
      describe: 'the worker to be unwell',
    });
    expect(await status('/health/live')).toBe(503);
    const stuck = 'sekali_consumer_state{consumer="store",state="stuck"}';
    expect((await scrape()).get(stuck)).toBe(1);
    expect((await scrape()).get('sekali_consumer_held_deliveries{consumer="store"}')).toBe(1);
    hangs = false;
    release();
    await waitFor(async () => (await status('/health/ready')) === 200, {
      timeoutMs: 20_000,
      describe: 'the worker to be well again',
    });
  });

  it('answers nothing else', async () => {
    expect([await status('/'), await status('/health')]).toEqual([404, 404]);
    expect((await fetch(`${url}/metrics`, { method: 'POST' })).status).toBe(405);
  });
});
