/**
 * The database of a consumer with a filter goes back in time. Its balances are right again, by the same consumer and
 * without an operator, although most messages of the stream never had a row.
 */
import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { headers } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { type AccountsSettings, readAccountsSettings } from '#config';
import { connectionsNeeded, ErrorPassage } from '#idempotent-consumer';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { createTestCluster, DatabaseCopy, type TestCluster, waitFor } from '#testing';
import { AccountsModule } from './accounts.module.js';
import { prepareConsumer, prepareDatabase } from './preparation.js';
import { accountsMetrics, createTransport, TRANSACTION_MS_MAX } from './transport.js';

const TEST_MS_MAX = 120_000;
const WHOLE_MS_MAX = 60_000;
const AMOUNT = 5;

let system: TestCluster;
let settings: AccountsSettings;
let pool: Pool;
let app: INestMicroservice;
const metrics = { text: (): Promise<string> => Promise.resolve('') };

beforeAll(async () => {
  system = await createTestCluster({
    nodes: 1,
    ackWaitMs: 2_000,
    settings: { SEKALI_METRICS_HOST: '127.0.0.1', SEKALI_METRICS_PORT: '0' },
  });
  system.pool.on('error', () => undefined);
  settings = readAccountsSettings(system.environment);
  await prepareDatabase(system.pool);
  await prepareConsumer(settings, system.connection, system.pool);
  pool = createPool({
    url: system.postgresUrl,
    name: 'test',
    connectionsMax: connectionsNeeded(1),
    transactionMsMax: TRANSACTION_MS_MAX,
  });
  const measured = accountsMetrics(settings, pool);
  metrics.text = () => measured.text();
  const transport = createTransport(
    settings,
    system.connection,
    pool,
    createLogger('test', 'silent'),
    measured,
  );
  app = await NestFactory.createMicroservice<MicroserviceOptions>(AccountsModule, {
    strategy: transport,
    logger: false,
  });
  app.useGlobalFilters(new ErrorPassage());
  await app.listen();
}, TEST_MS_MAX);

afterAll(async () => {
  await app.close();
  await pool.end();
  await system.dispose();
});

/** Publishes as many payments, each among other events that the consumer never gets. */
async function pay(prefix: string, count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    await send('orders', `${prefix}${n}`, {});
    await send('payments.in', `${prefix}${n}`, { account: 'a', amount: AMOUNT });
    await send('orders.paid', `${prefix}${n}`, {});
  }
}

async function send(topic: string, id: string, payload: unknown): Promise<void> {
  const named = headers();
  named.set('Nats-Msg-Id', `${topic}:${id}`);
  const body = { event_id: id, timestamp: '2026-11-22T10:00:00Z', source: 'test', payload };
  await system.connection.request(`${system.subjectPrefix}.${topic}`, JSON.stringify(body), {
    headers: named,
    timeout: 5_000,
  });
}

async function balanceBecomes(payments: number): Promise<void> {
  const ask = `SELECT payments::int, amount::int FROM accounts.balance WHERE account = 'a'`;
  const isThere = async (): Promise<boolean> => {
    const { rows } = await system.pool.query<{ payments: number; amount: number }>(ask);
    return rows[0]?.payments === payments && rows[0].amount === payments * AMOUNT;
  };
  await waitFor(isThere, { timeoutMs: WHOLE_MS_MAX, describe: `${payments} payments in the balance` });
}

it(
  'has the balances of all payments again, and says how many were missing',
  async () => {
    await pay('before', 20);
    await balanceBecomes(20);
    const copy = await DatabaseCopy.of(system.postgres);
    await pay('lost', 30);
    await balanceBecomes(50);
    await copy.putBack();
    await balanceBecomes(50);
    await pay('after', 10);
    await balanceBecomes(60);
    const text = await metrics.text();
    expect(text).toMatch(/^sekali_store_went_back_events\{.*consumer="balances".*\} 30$/m);
  },
  TEST_MS_MAX,
);
