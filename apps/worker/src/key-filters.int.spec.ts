/** A worker's filters spare lookups of new ids in closed generations, and name each generation that has an id. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import type { ConsumerFilters } from '#idempotent-consumer/postgres';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { changeKeyGeneration, createInbox, grantRights } from '#store';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { workerFilters } from './key-filters.js';

const EVERY_MS = 20;
const NEVER_MS = 3_600_000;
const BYTES_MAX = 1_048_576;
const SILENT = createLogger('test', 'silent');

let system: TestSystem;
let url: string;
let worker: Pool;
let keepers: { stop(): void }[];

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  url = (await createRoles(system.postgresUrl)).worker;
  await grantRights(system.pool);
  worker = createPool({ url, name: 'test', connectionsMax: 4, transactionMsMax: 30_000 });
  keepers = [];
});

afterEach(async () => {
  for (const keeper of keepers) keeper.stop();
  await worker.end();
  await system.dispose();
});

function filtersWith(bytesMax: number): ConsumerFilters {
  return workerFilters(url, SILENT, bytesMax);
}

async function closeFirst(consumer: string, table: string): Promise<string> {
  await worker.query(
    `INSERT INTO sekali.${table} (topic, event_id, stream_id, seq, digest) VALUES ('t', 'old', 1, 1, 0)`,
  );
  expect(await changeKeyGeneration(worker, consumer, 0)).toBe(1);
  const registry = consumer === 'store' ? 'key_generation' : `${consumer}_key_generation`;
  const { rows } = await worker.query<{ at: string }>(
    `SELECT extract(epoch FROM closed_at)::text AS at FROM sekali.${registry} WHERE number = 0`,
  );
  return rows[0]?.at ?? '';
}

describe('the filters of a worker', () => {
  it.each([
    ['store', 'event_key'],
    ['totals', 'totals_key'],
  ])('of consumer %s come by themselves, with the rights of a worker', async (consumer, table) => {
    await createInbox(worker, 'totals');
    const filters = filtersWith(BYTES_MAX);
    const over = filters.of(consumer);
    keepers.push(filters.keep(EVERY_MS));
    const closedAt = await closeFirst(consumer, table);
    const asked = over?.([{ number: 0, closedAt }]);
    expect(asked?.suspectsOf('t', 'old')).toEqual([0]);
    await waitFor(() => asked?.suspectsOf('t', 'new').length === 0, {
      timeoutMs: 10_000,
      describe: 'the filter',
    });
    expect(asked?.suspectsOf('t', 'old')).toEqual([0]);
  });

  it('come at once to a consumer that starts after them', async () => {
    const filters = filtersWith(BYTES_MAX);
    keepers.push(filters.keep(NEVER_MS));
    const closedAt = await closeFirst('store', 'event_key');
    const asked = filters.of('store')?.([{ number: 0, closedAt }]);
    await waitFor(() => asked?.suspectsOf('t', 'new').length === 0, {
      timeoutMs: 10_000,
      describe: 'the filter',
    });
    expect(filters.figures().get('store')).toMatchObject({ generations: 2, filters: 1, keys: 1 });
  });

  it('are kept again after they were stopped, as when a consumer starts once more', async () => {
    const filters = filtersWith(BYTES_MAX);
    filters.of('store');
    const loaded = (): number => filters.figures().get('store')?.filters ?? 0;
    await closeFirst('store', 'event_key');
    const first = filters.keep(EVERY_MS);
    await waitFor(() => loaded() === 1, { timeoutMs: 10_000, describe: 'the first filter' });
    first.stop();
    await worker.query(
      `INSERT INTO sekali.event_key_g1 (topic, event_id, stream_id, seq, digest) VALUES ('t', 'more', 1, 2, 0)`,
    );
    expect(await changeKeyGeneration(worker, 'store', 1)).toBe(2);
    keepers.push(filters.keep(EVERY_MS));
    await waitFor(() => loaded() === 2, { timeoutMs: 10_000, describe: 'the second filter' });
  });

  it('take no memory when none is allowed', () => {
    expect(filtersWith(0).of('store')).toBeUndefined();
  });
});
