/**
 * The accounts as they are deployed, with the rights that they have there, and killed while payments come. Each payment
 * is in the balance of its account exactly once, whatever was repeated or redelivered.
 */
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import { headers } from '@nats-io/nats-core';
import { connectBroker, jetStreamApi } from '#broker';
import { type App, type BrokerConnection, startApp, untilSettled, waitFor } from '#testing';
import { type NatsUser, SecuredCluster } from './test/secured-cluster.js';
import { type DatabaseUser, SecuredPostgres } from './test/secured-postgres.js';

const MINUTE_MS = 60_000;
jest.setTimeout(2 * MINUTE_MS);

const PAYMENTS = 4_000;
const REPEATS = 0.3 * PAYMENTS;
const WRONG = 7;
const ACCOUNTS = 50;
const TOPICS = 5;
/** Messages that are sent before the next ones wait for their PubAcks. */
const IN_FLIGHT_MAX = 100;

let cluster: SecuredCluster;
let postgres: SecuredPostgres;
let producer: BrokerConnection;
let service: App | undefined;

beforeAll(async () => {
  [cluster, postgres] = await Promise.all([SecuredCluster.start(), SecuredPostgres.start()]);
  await postgres.makeRoles();
  await postgres.demandTls();
  producer = await connectBroker(cluster.addressOf('producer'), { waitForFirst: false });
  await startApp('setup', environmentOf('setup'));
  await startApp('accounts', environmentOf('setup'), { program: 'src/prepare.js' });
}, 2 * MINUTE_MS);

afterAll(async () => {
  await service?.stop();
  await producer.close();
  await Promise.all([cluster.stop(), postgres.stop()]);
});

function environmentOf(user: NatsUser & DatabaseUser): Record<string, string> {
  return { ...cluster.environmentOf(user), ...postgres.environmentOf(user), SEKALI_ACK_WAIT_MS: '2000' };
}

async function start(): Promise<App> {
  service = await startApp('accounts', environmentOf('accounts'));
  return service;
}

async function kill(app: App): Promise<void> {
  app.kill('SIGKILL');
  expect(await app.exited).toMatchObject({ signal: 'SIGKILL' });
}

/** The number and the amount of a payment say which account it is for. */
const accountOf = (number: number): string => `account-${number % ACCOUNTS}`;

interface Sending {
  readonly topic: string;
  readonly id: string;
  readonly messageId: string;
  readonly payload: unknown;
}

function payment(number: number, messageId = `payment:${number}`): Sending {
  const payload = { account: accountOf(number), amount: number + 1 };
  return { topic: `payments.${number % TOPICS}`, id: `p-${number}`, messageId, payload };
}

/** Payments in order, each followed by what else comes with its number: repeats, events of others, and wrong payments. */
function sendings(from: number, to: number): Sending[] {
  return Array.from({ length: to - from }, (_, index) => from + index).flatMap((number) => {
    const repeats =
      Math.floor(((number + 1) * REPEATS) / PAYMENTS) - Math.floor((number * REPEATS) / PAYMENTS);
    const repeated = Math.floor(number / 2);
    const wrong = { ...payment(number, `wrong:${number}`), id: `wrong-${number}`, payload: { account: 'a' } };
    return [
      payment(number),
      ...(repeats > 0 ? [payment(repeated, `again:${number}`)] : []),
      ...(number % 3 === 0 ? [{ ...payment(number, `order:${number}`), topic: 'orders.created' }] : []),
      ...(number % Math.ceil(PAYMENTS / WRONG) === 0 ? [wrong] : []),
    ];
  });
}

async function send({ topic, id, messageId, payload }: Sending): Promise<void> {
  const named = headers();
  named.set('Nats-Msg-Id', messageId);
  const body = { topic, event_id: id, timestamp: '2026-11-22T10:00:00Z', source: 'test', payload };
  const ack = await producer.request(`events.${topic}`, JSON.stringify(body), {
    headers: named,
    timeout: 10_000,
  });
  expect(ack.json()).toMatchObject({ stream: 'EVENTS' });
}

/** Sends the payments of a range and what comes with them. */
async function sendAll(from: number, to: number): Promise<void> {
  const all = sendings(from, to);
  for (let at = 0; at < all.length; at += IN_FLIGHT_MAX)
    await Promise.all(all.slice(at, at + IN_FLIGHT_MAX).map(send));
}

async function figure(query: string): Promise<number> {
  const { rows } = await postgres.superuser.query<{ figure: number }>(`SELECT (${query})::int AS figure`);
  return rows[0]?.figure ?? NaN;
}

const added = (): Promise<number> => figure('SELECT COALESCE(sum(payments), 0) FROM accounts.balance');

async function untilAdded(count: number): Promise<void> {
  await waitFor(async () => (await added()) >= count, {
    timeoutMs: MINUTE_MS,
    intervalMs: 5,
    describe: `${count} payments to be added`,
  });
}

/**
 * Kills the service when its transaction has claimed payments and waits to add them. These are sent when it can add no
 * more: it may be done with all others by then.
 */
async function killInTransaction(app: App, sendMore: () => Promise<void>): Promise<void> {
  await postgres.superuser.query('BEGIN');
  await postgres.superuser.query('LOCK TABLE accounts.balance IN EXCLUSIVE MODE');
  const sending = sendMore();
  const waiting = `SELECT count(*) FROM pg_locks WHERE relation = 'accounts.balance'::regclass AND NOT granted`;
  await waitFor(async () => (await figure(waiting)) > 0, {
    timeoutMs: MINUTE_MS,
    describe: 'the accounts to wait for the table',
  });
  await kill(app);
  await postgres.superuser.query('ROLLBACK');
  await sending;
}

async function settled(): Promise<void> {
  const connection = await connectBroker(cluster.addressOf('accounts'), { waitForFirst: false });
  await untilSettled(await jetStreamApi(connection), 'EVENTS', 'balances', MINUTE_MS);
  await connection.close();
}

interface Balance {
  readonly account: string;
  readonly amount: number;
  readonly payments: number;
}

function expected(): Balance[] {
  const balances = new Map<string, Balance>();
  for (let number = 0; number < PAYMENTS; number += 1) {
    const account = accountOf(number);
    const { amount, payments } = balances.get(account) ?? { amount: 0, payments: 0 };
    balances.set(account, { account, amount: amount + number + 1, payments: payments + 1 });
  }
  return [...balances.values()].sort((one, other) => (one.account < other.account ? -1 : 1));
}

describe('the accounts, with exactly their rights', () => {
  it('add every payment once, although they are killed three times while payments come', async () => {
    const quarter = PAYMENTS / 4;
    const first = sendAll(0, quarter / 2);
    let app = await start();
    await untilAdded(quarter / 4);
    await first;
    await killInTransaction(app, () => sendAll(quarter / 2, quarter));
    for (const part of [1, 2]) {
      app = await start();
      const sending = sendAll(part * quarter, (part + 1) * quarter);
      await untilAdded(part * quarter + quarter / 4);
      await kill(app);
      await sending;
    }
    app = await start();
    await sendAll(3 * quarter, PAYMENTS);
    await settled();
    const { rows } = await postgres.superuser.query(
      'SELECT account, amount::int, payments::int FROM accounts.balance ORDER BY account',
    );
    expect(rows).toEqual(expected());
    const counters = await postgres.superuser.query(
      `SELECT sum(stored)::int AS stored, sum(duplicates)::int AS duplicates, sum(conflicts)::int AS conflicts,
         sum(dead_letters)::int AS dead_letters FROM accounts_inbox.balances_counter`,
    );
    const counts = { stored: PAYMENTS, duplicates: REPEATS, conflicts: 0, dead_letters: WRONG };
    expect(counters.rows).toEqual([counts]);
    expect(await figure('SELECT count(*) FROM accounts_inbox.balances_key')).toBe(PAYMENTS);
    expect(await figure('SELECT count(*) FROM accounts_inbox.balances_duplicate')).toBe(REPEATS);
    expect(await figure('SELECT count(*) FROM accounts_inbox.balances_dead_letter')).toBe(WRONG);
    expect(await app.stop()).toMatchObject({ code: 0 });
    // They never even tried more than they may.
    expect(cluster.brokers.map((broker) => broker.log()).join('')).not.toMatch(/violation/i);
  });

  it('have what their consumer forgot delivered again, and add none of it twice', async () => {
    const recovery = await connectBroker(cluster.addressOf('recovery'), { waitForFirst: false });
    await (await jetStreamApi(recovery)).consumers.delete('EVENTS', 'balances');
    await recovery.close();
    const app = await startApp('accounts', environmentOf('accounts'), { untilReady: false });
    await waitFor(() => app.output().includes('pulling was interrupted'), {
      timeoutMs: MINUTE_MS,
      describe: 'the accounts to miss their consumer, which they may not create',
    });
    await startApp('accounts', environmentOf('setup'), { program: 'src/prepare.js' });
    await app.ready;
    await sendAll(PAYMENTS, PAYMENTS + 1);
    await untilAdded(PAYMENTS + 1);
    await settled();
    expect(await added()).toBe(PAYMENTS + 1);
    expect(await app.stop()).toMatchObject({ code: 0 });
  });
});
