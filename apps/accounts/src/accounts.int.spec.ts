/** The service on real brokers and Postgres, in its own role, which owns nothing. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { headers } from '@nats-io/nats-core';
import type { Pool, PoolClient, QueryResultRow } from 'pg';
import { jetStreamApi } from '#broker';
import { type AccountsSettings, readAccountsSettings } from '#config';
import { BatchContext, connectionsNeeded, ErrorPassage, type Message } from '#idempotent-consumer';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { createTestSystem, type TestSystem, untilSettled, waitFor } from '#testing';
import { AccountsModule } from './accounts.module.js';
import { Balances, BALANCES, type Payment } from './balances.js';
import { prepareConsumer, prepareDatabase, ROLE } from './preparation.js';
import { accountsMetrics, createTransport, TRANSACTION_MS_MAX } from './transport.js';

const PASSWORD = 'of-a-test';
const PERMISSION_DENIED = '42501';

let system: TestSystem;
let settings: AccountsSettings;
let pool: Pool;
let app: INestMicroservice;

beforeAll(async () => {
  system = await createTestSystem({ ackWaitMs: 2_000 });
  settings = readAccountsSettings(system.environment);
  const { rowCount } = await system.pool.query('SELECT FROM pg_roles WHERE rolname = $1', [ROLE]);
  if (rowCount === 0) await system.pool.query(`CREATE ROLE ${ROLE} LOGIN PASSWORD '${PASSWORD}'`);
  // Twice, as before an upgrade.
  for (let times = 0; times < 2; times += 1) {
    await prepareDatabase(system.pool);
    await prepareConsumer(settings, system.connection, system.pool);
  }
  const url = new URL(system.postgresUrl);
  url.username = ROLE;
  url.password = PASSWORD;
  pool = createPool({
    url: url.href,
    name: 'test',
    connectionsMax: connectionsNeeded(1),
    transactionMsMax: TRANSACTION_MS_MAX,
  });
  app = await NestFactory.createMicroservice<MicroserviceOptions>(AccountsModule, {
    strategy: createTransport(
      settings,
      system.connection,
      pool,
      createLogger('test', 'silent'),
      accountsMetrics(settings, pool),
    ),
    logger: false,
  });
  app.useGlobalFilters(new ErrorPassage());
  await app.listen();
});

afterAll(async () => {
  await app.close();
  await pool.end();
  await system.dispose();
});

/** Publishes an event, like a producer. @param messageId another one where the brokers must not know the event again */
async function send(
  topic: string,
  id: string,
  payload: unknown,
  messageId = `${topic}:${id}`,
): Promise<void> {
  const named = headers();
  named.set('Nats-Msg-Id', messageId);
  const body = { event_id: id, timestamp: '2026-11-22T10:00:00Z', source: 'test', payload };
  await system.connection.request(`${system.subjectPrefix}.${topic}`, JSON.stringify(body), {
    headers: named,
    timeout: 5_000,
  });
}

async function settled(): Promise<void> {
  await untilSettled(await jetStreamApi(system.connection), system.streamName, BALANCES);
}

async function rows(query: string): Promise<unknown[]> {
  return (await system.pool.query<Record<string, unknown>>(query)).rows;
}

describe('the accounts', () => {
  it('add each payment once, from any topic of payments and from no other', async () => {
    await send('payments.card', 'p1', { account: 'ada', amount: 500 });
    await send('payments.card', 'p1', { account: 'ada', amount: 500 }, 'again');
    // Identity is topic and id together.
    await send('payments.transfer', 'p1', { account: 'ada', amount: 40 });
    await send('payments.card', 'p2', { account: 'bob', amount: -7, note: 'a refund' });
    await send('orders.created', 'o1', { account: 'ada', amount: 1_000 });
    await settled();
    expect(await rows('SELECT account, amount::int, payments::int FROM accounts.balance ORDER BY 1')).toEqual(
      [
        { account: 'ada', amount: 540, payments: 2 },
        { account: 'bob', amount: -7, payments: 1 },
      ],
    );
    expect(await rows('SELECT topic, event_id FROM accounts_inbox.balances_duplicate')).toEqual([
      { topic: 'payments.card', event_id: 'p1' },
    ]);
    expect(await rows('SELECT FROM accounts_inbox.balances_dead_letter')).toEqual([]);
  });

  it('keep a payment that does not fit, with the member that is wrong, and a body that cannot be read', async () => {
    await send('payments.card', 'bad', { account: 'ada', amount: 'much' });
    await system.connection.request(`${system.subjectPrefix}.payments.card`, '{', { timeout: 5_000 });
    await settled();
    expect(
      await rows(
        'SELECT topic, event_id, reason, detail FROM accounts_inbox.balances_dead_letter ORDER BY seq',
      ),
    ).toEqual([
      {
        topic: 'payments.card',
        event_id: 'bad',
        reason: 'schema_mismatch',
        detail: expect.stringMatching(/^amount: .*number/) as unknown,
      },
      {
        topic: 'payments.card',
        event_id: null,
        reason: 'not_json',
        detail: expect.stringMatching(/./) as unknown,
      },
    ]);
    expect(await rows(`SELECT amount::int FROM accounts.balance WHERE account = 'ada'`)).toEqual([
      { amount: 540 },
    ]);
  });
});

describe('the keys of the accounts', () => {
  it('begin another generation with the rights of the role, and a payment from before is not added again', async () => {
    await send('payments.card', 'old', { account: 'cleo', amount: 5 });
    await settled();
    // It is what the upkeep calls.
    const changed = await pool.query('SELECT accounts_inbox.balances_change_key_generation(0) AS number');
    expect(changed.rows).toEqual([{ number: 1 }]);
    await send('payments.card', 'old', { account: 'cleo', amount: 5 }, 'old again');
    await send('payments.card', 'new', { account: 'cleo', amount: 2 });
    await settled();
    expect(await rows(`SELECT amount::int FROM accounts.balance WHERE account = 'cleo'`)).toEqual([
      { amount: 7 },
    ]);
    await pool.query('DELETE FROM accounts_inbox.balances_key_filter');
  });
});

describe('a batch', () => {
  const KEYS = ['k1', 'k2', 'k3', 'k4', 'k5', 'k6', 'k7', 'k8'];

  /** Applies one payment to each account, in another order than that of the keys. */
  function applyTo(accounts: readonly string[], client: PoolClient): Promise<void> {
    const shuffled = [...accounts.slice(3), ...accounts.slice(0, 3)].reverse();
    const fresh = shuffled.map((account) => ({ event: { account, amount: 1 } }) as Message<Payment>);
    const query = <R extends QueryResultRow>(text: string, values: readonly unknown[] = []) =>
      client.query<R>(text, [...values]);
    return new Balances().apply(fresh, new BatchContext(BALANCES, { streamId: 1, query }));
  }

  it('locks the rows of its accounts in the order of their keys, so that no two wait in a circle', async () => {
    const [holder, client] = await Promise.all([system.pool.connect(), system.pool.connect()]);
    try {
      await applyTo(KEYS, holder);
      await holder.query('BEGIN');
      await holder.query(`SELECT FROM accounts.balance WHERE account = 'k5' FOR UPDATE`);
      await client.query('BEGIN');
      const applying = applyTo(KEYS, client);
      const waiting = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
      await waitFor(async () => (await rows(waiting)).length > 0, {
        timeoutMs: 5_000,
        describe: 'the batch to wait for the fifth row',
      });
      const free = `SELECT account FROM accounts.balance WHERE account LIKE 'k%' ORDER BY account FOR UPDATE SKIP LOCKED`;
      expect(await rows(free)).toEqual(['k6', 'k7', 'k8'].map((account) => ({ account })));
      await holder.query('ROLLBACK');
      await applying;
      await client.query('ROLLBACK');
    } finally {
      // A connection that is in a transaction is closed.
      for (const each of [holder, client]) each.release(true);
    }
  });
});

describe('the role of the accounts', () => {
  it.each([
    'SELECT FROM sekali.event',
    'SELECT FROM sekali.api_key',
    'INSERT INTO sekali.counter DEFAULT VALUES',
    'CREATE TABLE accounts.other ()',
    'CREATE TABLE accounts_inbox.other ()',
    'CREATE TABLE public.other ()',
    'CREATE SCHEMA other',
    'DELETE FROM accounts.balance',
    'TRUNCATE accounts.balance',
    'DROP TABLE accounts.balance',
    'TRUNCATE accounts_inbox.balances_key',
    'DROP TABLE accounts_inbox.balances_key',
  ])('may not %s', async (statement) => {
    const code = await pool.query(statement).then(
      () => 'done',
      (error: unknown) => (error as { code: string }).code,
    );
    expect(code).toBe(PERMISSION_DENIED);
  });
});
