/** The whole circle without Nest: a request changes a row and adds an event, which takes effect once elsewhere. */
import 'reflect-metadata';
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import type { NatsConnection } from '@nats-io/nats-core';
import pg from 'pg';
import { DataSource } from 'typeorm';
import { z } from 'zod';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { createConsumer, type EventConsumer } from '../core/create-consumer.js';
import { StreamEventPublisher } from '../producer/stream-event-publisher.js';
import { Outbox } from './outbox.js';
import { OutboxRelay } from './outbox-relay.js';

const ADD = `
INSERT INTO public.balance VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE SET amount = balance.amount + EXCLUDED.amount`;

const Payment = z.object({ account: z.string(), amount: z.number().int() });
const Paid = z.object({ payload: Payment }).transform(({ payload }) => payload);

const outbox = new Outbox({ source: 'till', schemas: { 'payments.card': Payment } });

async function pay(client: pg.ClientBase, account: string, amount: number): Promise<void> {
  await client.query('BEGIN');
  try {
    await client.query('INSERT INTO public.receipt VALUES ($1, $2)', [account, amount]);
    await outbox.add(client, { topic: 'payments.card', payload: { account, amount } });
    await client.query('COMMIT');
  } catch (error) {
    await client.query('ROLLBACK');
    throw error;
  }
}

async function startRelay(
  pool: pg.Pool,
  connection: NatsConnection,
  stream: string,
  subjectPrefix = 'events',
) {
  await outbox.create(pool);
  const publisher = new StreamEventPublisher({ connection, stream, subjectPrefix, source: 'till' });
  const relay = new OutboxRelay({ pool, outbox, publisher });
  relay.start();
  return relay;
}

function balancesFrom(pool: pg.Pool, connection: NatsConnection, stream: string): EventConsumer {
  return createConsumer({
    ...{ connection, pool, stream, name: 'balances', schema: Paid },
    handler: async ({ account, amount }, { transaction }) => {
      await transaction.query(ADD, [account, amount]);
    },
  });
}

let system: TestSystem;
let pool: pg.Pool;
let relay: OutboxRelay | undefined;
let balances: EventConsumer | undefined;

beforeEach(async () => {
  system = await createTestSystem();
  pool = new pg.Pool({ connectionString: system.postgresUrl, max: 10 });
  pool.on('error', () => undefined);
  await pool.query(
    'CREATE TABLE public.receipt (account text NOT NULL, amount bigint NOT NULL CHECK (amount < 1000))',
  );
  await pool.query('CREATE TABLE public.balance (account text PRIMARY KEY, amount bigint NOT NULL)');
});

afterEach(async () => {
  await Promise.all([relay?.stop(), balances?.stop()]);
  await pool.end();
  await system.dispose();
});

it('adds up what was committed and nothing else, by a client of pg and by TypeORM', async () => {
  const { connection, streamName, subjectPrefix } = system;
  relay = await startRelay(pool, connection, streamName, subjectPrefix);
  balances = balancesFrom(pool, connection, streamName);
  await balances.start();
  const client = await pool.connect();
  for (let amount = 1; amount <= 20; amount += 1) await pay(client, 'account-1', amount);
  await expect(pay(client, 'account-1', 5_000)).rejects.toThrow('violates check constraint');
  client.release();
  const dataSource = new DataSource({ type: 'postgres', url: system.postgresUrl, poolSize: 1 });
  await dataSource.initialize();
  await dataSource.transaction(async (manager) => {
    await manager.query('INSERT INTO public.receipt VALUES ($1, $2)', ['account-1', 7]);
    await outbox.add(manager, { topic: 'payments.card', payload: { account: 'account-1', amount: 7 } });
  });
  await dataSource.destroy();
  const sums = async (table: string): Promise<unknown[]> => {
    const text = `SELECT account, sum(amount)::int AS amount FROM ${table} GROUP BY 1 ORDER BY 1`;
    return (await pool.query<Record<string, unknown>>(text)).rows;
  };
  await waitFor(
    async () => JSON.stringify(await sums('public.balance')) === JSON.stringify(await sums('public.receipt')),
    {
      timeoutMs: 30_000,
      describe: 'the balances to add up',
    },
  );
  const { rows } = await pool.query('SELECT count(*)::int AS effects FROM inbox.balances_key');
  expect(rows).toEqual([{ effects: 21 }]);
});
