/** A worker begins next to as many filters as its memory may have: it does not wait for them, and takes no more. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { crc32 } from 'node:zlib';
import type { PoolClient } from 'pg';
import { drawFreePorts } from '#local-cluster';
import { changeKeyGeneration } from '#store';
import { type App, createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import { ledgerBecomes, ledgerOf, publishEvent } from './test/consumer-fixture.js';

const GENERATIONS = 8;
const PARTS = 64;
const PART_BYTES = 262_144;
/** It is the default of the setting. */
const BYTES_MAX = GENERATIONS * PARTS * PART_BYTES;
/** What loading needs for a moment, and what Node has not freed yet. */
const SLACK_BYTES = 67_108_864;
const BITS_PER_KEY = 20;

let system: TestSystem;
let worker: App | undefined;
let locker: PoolClient | undefined;
let metricsUrl: string;

beforeEach(async () => {
  const [port] = await drawFreePorts(1);
  metricsUrl = `http://127.0.0.1:${port}/metrics`;
  system = await createTestSystem({ replicas: 1, settings: { SEKALI_METRICS_PORT: String(port) } });
  for (let number = 0; number < GENERATIONS; number++) await closeWithFilter(number);
});

afterEach(async () => {
  worker?.kill('SIGKILL');
  locker?.release(true);
  await system.dispose();
});

/** Closes a generation of one key, with a filter for millions, which suspects every id. */
async function closeWithFilter(number: number): Promise<void> {
  const table = number === 0 ? 'sekali.event_key' : `sekali.event_key_g${number}`;
  await system.pool.query(
    `INSERT INTO ${table} (topic, event_id, stream_id, seq, digest) VALUES ('t', 'old-${number}', 1000, ${number}, 0)`,
  );
  expect(await changeKeyGeneration(system.pool, 'store', number)).toBe(number + 1);
  const bits = Buffer.alloc(PART_BYTES, 0xff);
  const bytes = PARTS * PART_BYTES;
  await system.pool.query(
    `INSERT INTO sekali.key_filter (generation, part, closed_at, keys, words, checksum, bits)
     SELECT number, part, closed_at, $2, $3, $4, $5 FROM sekali.key_generation, generate_series(0, $6::integer - 1) part
     WHERE number = $1`,
    [number, Math.floor((bytes * 8) / BITS_PER_KEY), bytes / 4, crc32(bits), bits, PARTS],
  );
}

async function figure(name: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text();
  return Number(new RegExp(`^${name}(?:\\{consumer="store"\\})? (\\S+)$`, 'm').exec(text)?.[1] ?? 0);
}

it('a worker is ready and stores while no filter can be loaded, and loads all of them within its bound', async () => {
  locker = await system.pool.connect();
  await locker.query('BEGIN; LOCK TABLE sekali.key_filter IN ACCESS EXCLUSIVE MODE');
  worker = await startApp('worker', system.environment);
  await publishEvent(system, { id: 'new' });
  await publishEvent(system, { topic: 't', id: 'old-3' });
  await waitFor(async () => (await figure('sekali_key_filter_missing_total')) >= GENERATIONS, {
    timeoutMs: 20_000,
    describe: 'lookups without filters',
  });
  expect(await figure('sekali_key_filters')).toBe(0);
  const base = await figure('process_resident_memory_bytes');
  await locker.query('ROLLBACK');
  let most = base;
  await waitFor(
    async () => {
      most = Math.max(most, await figure('process_resident_memory_bytes'));
      return (await figure('sekali_key_filter_bytes')) === BYTES_MAX;
    },
    { timeoutMs: 60_000, describe: 'all filters' },
  );
  expect(await figure('sekali_key_filters')).toBe(GENERATIONS);
  expect(most - base).toBeLessThan(BYTES_MAX + SLACK_BYTES);
  process.stdout.write(
    `resident: ${Math.round(base / 1e6)} MB before filters, ${Math.round(most / 1e6)} MB at most\n`,
  );
  await publishEvent(system, { id: 'newer' });
  const counted = ledgerOf(2, 1, 1).counted;
  await ledgerBecomes(system, { ...ledgerOf(GENERATIONS + 2, 1, 1), events: 2, counted });
});
