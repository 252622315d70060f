/** A transaction for rare work, on a real Postgres. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { transact } from './transact.js';

let system: TestSystem;
let pool: pg.Pool;

beforeAll(async () => {
  system = await createTestSystem();
  pool = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
  pool.on('error', () => undefined);
});

afterAll(async () => {
  await pool.end();
  await system.dispose();
});

it('fails when its connection ends between two statements, and the next one has another connection', async () => {
  const transaction = transact(pool, async (database) => {
    const { rows } = await database.query<{ id: number }>('SELECT pg_backend_pid() AS id');
    const ids = [rows[0]?.id];
    await system.pool.query('SELECT pg_terminate_backend($1)', ids);
    const isGone = 'SELECT NOT EXISTS (SELECT FROM pg_stat_activity WHERE pid = $1) AS gone';
    await waitFor(async () => (await system.pool.query<{ gone: boolean }>(isGone, ids)).rows[0]?.gone, {
      timeoutMs: 20_000,
      describe: 'the connection to end',
    });
    return database.query('SELECT');
  });
  await expect(transaction).rejects.toThrow();
  expect(await transact(pool, async (database) => (await database.query('SELECT 1')).rowCount)).toBe(1);
});
