/** Workers have the keys begin another generation when their table is large: one of them does, and only then. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { createInbox, grantRights, youngestKeyGeneration } from '#store';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { keepGenerationsSmall } from './generation-keeper.js';

const EVERY_MS = 20;
const SILENT = createLogger('test', 'silent');

let system: TestSystem;
let worker: Pool;
let keepers: { stop(): void }[];

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 4, transactionMsMax: 30_000 });
  keepers = [];
});

afterEach(async () => {
  for (const keeper of keepers) keeper.stop();
  await worker.end();
  await system.dispose();
});

function keep(bytesMax: number): void {
  keepers.push(keepGenerationsSmall(worker, SILENT, bytesMax, EVERY_MS));
}

async function insertKeys(table: string, first: number, keys: number): Promise<void> {
  await worker.query(
    `INSERT INTO sekali.${table} (topic, event_id, stream_id, seq, digest)
     SELECT 't', 'e' || seq, 1, seq, 0 FROM generate_series($1::bigint, $2::bigint) AS seq`,
    [first, first + keys - 1],
  );
}

const numberOf = async (consumer: string): Promise<number> =>
  (await youngestKeyGeneration(worker, consumer)).number;

describe('the keeper of generations', () => {
  it('has the keys of each inbox begin another generation when they are too large, and no other', async () => {
    await createInbox(worker, 'totals');
    await insertKeys('event_key', 1, 1_000);
    await insertKeys('totals_key', 1, 10);
    const { bytes } = await youngestKeyGeneration(worker, 'store');
    keep(bytes - 1);
    keep(bytes - 1);
    await waitFor(async () => (await numberOf('store')) === 1, {
      timeoutMs: 10_000,
      describe: 'the change of generation',
    });
    await insertKeys('event_key_g1', 1_001, 2_000);
    await waitFor(async () => (await numberOf('store')) === 2, {
      timeoutMs: 10_000,
      describe: 'the second change',
    });
    expect(await numberOf('totals')).toBe(0);
    const { rows } = await worker.query('SELECT count(*)::int AS keys FROM sekali.event_key');
    expect(rows).toEqual([{ keys: 3_000 }]);
  });

  it('waits for a long transaction, which meanwhile goes on', async () => {
    await insertKeys('event_key', 1, 1_000);
    const client = await worker.connect();
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('t', 'long', 1, 5000, 0)`,
    );
    keep(1);
    // The first attempt ends after two seconds, and the next one waits again.
    const attempts = `SELECT count(*)::int AS ended FROM pg_stat_activity
      WHERE datname = current_database() AND wait_event_type = 'Lock' AND query LIKE '%change_key_generation%'`;
    await waitFor(async () => (await system.pool.query<{ ended: number }>(attempts)).rows[0]?.ended === 1, {
      timeoutMs: 10_000,
      describe: 'an attempt to wait',
    });
    await client.query('COMMIT');
    client.release();
    await waitFor(async () => (await numberOf('store')) === 1, {
      timeoutMs: 10_000,
      describe: 'the change of generation',
    });
  });
});
