/** A change of generation in the store: nothing is moved, no late key gets in, and every statement still sees all keys. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool, PoolClient } from 'pg';
import { CLOSED_GENERATION, createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { grantRights } from './grants.js';
import { createInbox } from './inbox-tables.js';
import { changeKeyGeneration, youngestKeyGeneration } from './key-generations.js';

let system: TestSystem;
let worker: Pool;
let consumers = 0;
let consumer: string;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 4, transactionMsMax: 30_000 });
});

beforeEach(async () => {
  consumer = `c${++consumers}`;
  await createInbox(worker, consumer);
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

async function insert(database: Pool | PoolClient, id: string, seq: number, generation = ''): Promise<void> {
  await database.query(
    `INSERT INTO sekali.${consumer}_key${generation} (topic, event_id, stream_id, seq, digest) VALUES ('t', $1, 1, $2, 0)`,
    [id, seq],
  );
}

async function idsIn(table: string): Promise<string[]> {
  const { rows } = await worker.query<{ event_id: string }>(
    `SELECT event_id FROM sekali.${table} ORDER BY 1`,
  );
  return rows.map((row) => row.event_id);
}

async function isSomeoneWaiting(): Promise<boolean> {
  const { rows } = await system.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
}

const CLOSED = { code: CLOSED_GENERATION };

describe('a change of generation', () => {
  it('opens a table with the same rights and constraints, which statements on the first one cover', async () => {
    await insert(worker, 'old', 1);
    expect(await youngestKeyGeneration(worker, consumer)).toMatchObject({ number: 0 });
    expect(await changeKeyGeneration(worker, consumer, 0)).toBe(1);
    expect(await youngestKeyGeneration(worker, consumer)).toMatchObject({ number: 1 });
    await insert(worker, 'new', 2, '_g1');
    await expect(insert(worker, 'new', 3, '_g1')).rejects.toMatchObject({ code: '23505' });
    await expect(insert(worker, 'other', 2, '_g1')).rejects.toMatchObject({ code: '23505' });
    expect(await idsIn(`${consumer}_key`)).toEqual(['new', 'old']);
    expect(await idsIn(`${consumer}_key_g1`)).toEqual(['new']);
    await worker.query(`UPDATE sekali.${consumer}_key SET stream_id = 2`);
    const { rows } = await worker.query(`SELECT DISTINCT stream_id FROM sekali.${consumer}_key`);
    expect(rows).toEqual([{ stream_id: 2 }]);
    expect(await changeKeyGeneration(worker, consumer, 1)).toBe(2);
  });

  it('keeps the registry of what was open when', async () => {
    await insert(worker, 'a', 1);
    await changeKeyGeneration(worker, consumer, 0);
    const { rows } = await worker.query(
      `SELECT number, opened_at IS NULL AS is_first, closed_at IS NULL AS is_open FROM sekali.${consumer}_key_generation ORDER BY 1`,
    );
    expect(rows).toEqual([
      { number: 0, is_first: true, is_open: false },
      { number: 1, is_first: false, is_open: true },
    ]);
  });

  it('leaves a program of the version before alone until it happens, and then stops only its inserts', async () => {
    const before = `INSERT INTO sekali.${consumer}_key (topic, event_id, stream_id, seq, digest)
      SELECT 't', 'again', 1, 9, 0 WHERE false`;
    await insert(worker, 'a', 1);
    await worker.query(before);
    await changeKeyGeneration(worker, consumer, 0);
    await expect(insert(worker, 'b', 2)).rejects.toMatchObject(CLOSED);
    // Also a claim that would insert nothing is refused: what it does not find may be in the next generation.
    await expect(worker.query(before)).rejects.toMatchObject(CLOSED);
    expect(await idsIn(`${consumer}_key`)).toEqual(['a']);
  });

  it('happens once, though several processes want it, and not before there is a key', async () => {
    expect(await changeKeyGeneration(worker, consumer, 0)).toBeUndefined();
    await insert(worker, 'a', 1);
    const changes = await Promise.all([0, 0, 0].map(() => changeKeyGeneration(worker, consumer, 0)));
    expect(changes.filter((number) => number !== undefined)).toEqual([1]);
    expect(await changeKeyGeneration(worker, consumer, 7)).toBeUndefined();
  });

  it('waits for transactions that have inserted, and a later insert waits for it and is refused', async () => {
    await insert(worker, 'a', 1);
    const client = await worker.connect();
    await client.query('BEGIN');
    await insert(client, 'b', 2);
    const changing = changeKeyGeneration(worker, consumer, 0);
    await waitFor(isSomeoneWaiting, { timeoutMs: 10_000, describe: 'the change to wait' });
    const late = insert(worker, 'c', 3).then(
      () => 'inserted',
      (error: unknown) => (error as { code?: string }).code,
    );
    await insert(client, 'd', 4);
    await client.query('COMMIT');
    client.release();
    expect(await changing).toBe(1);
    expect(await late).toBe(CLOSED_GENERATION);
    expect(await idsIn(`${consumer}_key`)).toEqual(['a', 'b', 'd']);
  });

  it('gives up after two seconds behind a long transaction, and nothing has changed', async () => {
    await insert(worker, 'a', 1);
    const client = await worker.connect();
    await client.query('BEGIN');
    await insert(client, 'b', 2);
    await expect(changeKeyGeneration(worker, consumer, 0)).rejects.toMatchObject({ code: '55P03' });
    await client.query('COMMIT');
    client.release();
    expect(await youngestKeyGeneration(worker, consumer)).toMatchObject({ number: 0 });
    expect(await changeKeyGeneration(worker, consumer, 0)).toBe(1);
  });

  it.each(['event', 'nobody', 'x"; DROP TABLE y', 'STORE'])(
    'is refused for %s, which has no inbox',
    async (name) => {
      const change = worker.query('SELECT sekali.change_key_generation($1, 0)', [name]);
      await expect(change).rejects.toMatchObject({ code: '22023' });
    },
  );
});
