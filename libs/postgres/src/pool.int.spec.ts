/** What a pool of somebody else tells of its connections, on a real Postgres. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestSystem, type TestSystem } from '#testing';
import { onNewConnection } from './pool.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(() => system.dispose());

it('says the server of each new connection, and sends no statement while another one has no answer', async () => {
  const pool = new pg.Pool({
    connectionString: system.postgresUrl,
    max: 2,
    // The options of the pool's owner go on working.
    // eslint-disable-next-line @typescript-eslint/no-misused-promises -- the pool awaits it, although its types do not say so
    onConnect: async (client) => {
      await client.query('SET SESSION application_name = mine');
    },
  });
  pool.on('error', () => undefined);
  let isWaiting = false;
  const overlapping: unknown[] = [];
  pool.on('connect', (client) => {
    const query = client.query.bind(client) as (...args: unknown[]) => Promise<pg.QueryResult>;
    const noted = async (...args: unknown[]): Promise<pg.QueryResult> => {
      if (isWaiting) overlapping.push(args[0]);
      isWaiting = true;
      return query(...args).finally(() => {
        isWaiting = false;
      });
    };
    Object.assign(client, { query: noted });
  });
  const heard: Promise<string | undefined>[] = [];
  const more: Promise<string | undefined>[] = [];
  const ends = [heard, more].map((all) => onNewConnection(pool, (server) => all.push(server)));
  const first = await pool.connect();
  const { rows } = await first.query<{ application_name: string }>('SHOW application_name');
  expect(rows).toEqual([{ application_name: 'mine' }]);
  const second = await pool.connect();
  expect(overlapping).toEqual([]);
  const [one, ...others] = await Promise.all([...heard, ...more]);
  expect(one).toMatch(/^\d{4}-\d\d-\d\d .* \d+ \d+$/);
  expect(others).toEqual([one, one, one]);
  for (const end of ends) end();
  first.release();
  second.release(true);
  // One that was open already, and one that is new after the listeners went.
  for (const client of await Promise.all([pool.connect(), pool.connect()])) client.release();
  expect(heard).toHaveLength(2);
  await pool.end();
}, 60_000);
