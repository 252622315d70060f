/** Migrates a database of the previous version, with rows in it, while a producer sends. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import type { MigrationInterface } from 'typeorm';
import { createPool } from '#postgres';
import { createDataSource, pendingMigrations, runMigrations } from '#store';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';
import { sekali } from './test/command-line.js';
import { SteadyProducer } from './test/steady-producer.js';

const MINUTE_MS = 60_000;
const EVENTS_BETWEEN = 400;

let system: TestSystem;
/** An environment on the old database. */
let environment: Record<string, string>;
let pool: Pool;

beforeAll(async () => {
  system = await createTestSystem();
  const database = `${new URL(system.postgresUrl).pathname.slice(1)}_old`;
  await system.pool.query(`CREATE DATABASE ${database} TEMPLATE template0`);
  const url = new URL(system.postgresUrl);
  url.pathname = `/${database}`;
  environment = { ...system.environment, SEKALI_POSTGRES_URL: url.href };
  const address = { url: url.href, name: 'test', connectionsMax: 2, transactionMsMax: 30_000 };
  const dataSource = await createDataSource(address);
  const [first] = dataSource.options.migrations as (new () => MigrationInterface)[];
  if (first === undefined) throw new Error('there is no migration');
  await dataSource.setOptions({ migrations: [first] }).initialize();
  await runMigrations(dataSource);
  await dataSource.destroy();
  pool = createPool(address);
});

afterAll(async () => {
  await pool.end();
});

async function stored(): Promise<number> {
  const { rows } = await pool.query<{ count: number }>('SELECT count(*)::int AS count FROM sekali.event_key');
  return rows[0]?.count ?? 0;
}

async function moreIsStored(): Promise<void> {
  const before = await stored();
  await waitFor(async () => (await stored()) > before + EVENTS_BETWEEN, {
    timeoutMs: MINUTE_MS,
    describe: `${EVENTS_BETWEEN} more events to be stored`,
  });
}

describe('a database of the version before', () => {
  it(
    'is published to by gateways as it is, and stored in by workers as soon as it is migrated',
    async () => {
      const gateway = await startApp('gateway', environment);
      // The workers have no tables yet, and wait.
      for (let count = 0; count < 2; count++) await startApp('worker', environment, { untilReady: false });
      expect(await pendingMigrations(pool)).not.toEqual([]);
      const producer = new SteadyProducer(() => [gateway.url]);
      await waitFor(() => producer.accepted > EVENTS_BETWEEN, {
        timeoutMs: MINUTE_MS,
        describe: `${EVENTS_BETWEEN} events to be taken`,
      });
      // A gateway that has just started may not have reached the brokers yet.
      const refusedAtFirst = producer.refusals;
      await startApp('setup', environment);
      expect(await pendingMigrations(pool)).toEqual([]);
      await moreIsStored();
      await producer.stop();
      expect(producer.refusals).toBe(refusedAtFirst);
      const { code, output } = await sekali(environment, 'audit', '--wait', '60', '--json');
      expect({ code, audit: JSON.parse(output) as unknown }).toMatchObject({
        code: 0,
        audit: { verdict: 'whole', stored: producer.accepted, duplicates: 0, dead_letters: 0, counters: [] },
      });
      const stats = await fetch(`${gateway.url}/stats`);
      expect(await stats.json()).toMatchObject({ unique_processed: producer.accepted, in_flight: 0 });
    },
    2 * MINUTE_MS,
  );
});
