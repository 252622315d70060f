/** The whole circle as processes: payments over HTTP, killed services, and balances that add up. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import { type App, createTestSystem, startApp, TcpProxy, type TestSystem, waitFor } from '#testing';

const PAYMENTS = 600;
const CLIENTS = 6;
const KILLS = 3;
const SILENT_RELAY = `
SELECT FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%ended_before%' AND state = 'idle'
  AND state_change < now() - interval '3 s'`;

let system: TestSystem;
let environment: Record<string, string>;

beforeEach(async () => {
  system = await createTestSystem({ ackWaitMs: 2_000 });
  environment = { ...system.environment, SEKALI_PAYMENTS_PORT: '0' };
  await startApp('accounts', environment, { program: 'src/prepare.js' });
});

interface Sent {
  readonly id: string;
  readonly account: string;
  readonly amount: unknown;
}

async function post(url: string, payment: unknown): Promise<{ status: number; body: unknown }> {
  const response = await fetch(`${url}/payments`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(payment),
    signal: AbortSignal.timeout(5_000),
  });
  return { status: response.status, body: await response.json() };
}

async function rows(text: string): Promise<unknown[]> {
  return (await system.pool.query<Record<string, unknown>>(text)).rows;
}

describe('the till', () => {
  it('takes a payment once, and refuses what does not fit', async () => {
    const { url } = await startApp('accounts', environment);
    const payment: Sent = { id: 'p1', account: 'ada', amount: 5 };
    expect(await post(url, payment)).toEqual({ status: 200, body: { id: 'p1', repeated: false } });
    expect(await post(url, payment)).toEqual({ status: 200, body: { id: 'p1', repeated: true } });
    expect(await post(url, { ...payment, amount: 6 })).toMatchObject({
      status: 409,
      body: { message: 'payment p1 was taken with another account or amount: choose another id' },
    });
    expect(await post(url, { ...payment, amount: '5' })).toMatchObject({
      status: 400,
      body: { message: expect.stringContaining('amount') as unknown },
    });
    await waitFor(async () => (await rows('SELECT FROM accounts.balance')).length === 1, {
      timeoutMs: 20_000,
      describe: 'the balance',
    });
    expect(await rows('SELECT account, amount::int, payments::int FROM accounts.balance')).toEqual([
      { account: 'ada', amount: 5, payments: 1 },
    ]);
  });

  it('stops in order while the brokers do not answer, and its event is published later', async () => {
    const proxies = await Promise.all(
      (environment['SEKALI_NATS_URLS'] ?? '')
        .split(',')
        .map((url) => TcpProxy.start(Number(new URL(url).port))),
    );
    try {
      const urls = proxies.map(({ port }) => `nats://127.0.0.1:${port}`).join(',');
      const alone = { SEKALI_NATS_URLS: urls, SEKALI_NATS_DISCOVERY: 'false' };
      const cutOff = await startApp('accounts', { ...environment, ...alone });
      for (const proxy of proxies) proxy.hang();
      expect(await post(cutOff.url, { id: 'p1', account: 'ada', amount: 5 })).toMatchObject({ status: 200 });
      // A relay that publishes and has no answer sends no statement. One that is idle does so each second.
      await waitFor(async () => (await rows(SILENT_RELAY)).length === 1, {
        timeoutMs: 30_000,
        describe: 'a relay that waits for the brokers',
      });
      // It says so by its code, when it cannot stop in time.
      expect(await cutOff.stop()).toMatchObject({ code: 0 });
      await startApp('accounts', environment);
      await waitFor(async () => (await rows('SELECT FROM accounts.balance')).length === 1, {
        timeoutMs: 20_000,
        describe: 'the balance',
      });
    } finally {
      await Promise.all(proxies.map((proxy) => proxy.stop()));
    }
  });

  it('loses no payment and adds none twice, while both of its services are killed', async () => {
    const services: App[] = [
      await startApp('accounts', environment),
      await startApp('accounts', environment),
    ];
    let next = 0;
    let answered = 0;
    const client = async (which: number): Promise<void> => {
      for (let number = next++; number < PAYMENTS; number = next++) {
        const payment: Sent = { id: `p${number}`, account: `account-${number % 7}`, amount: number };
        // A request whose answer was lost is sent again, to another service.
        for (let tries = which; ; tries += 1) {
          const service = services[tries % services.length];
          const answer = await post(service?.url ?? '', payment).catch(() => undefined);
          if (answer?.status === 200) break;
        }
        answered += 1;
      }
    };
    const clients = Promise.all(Array.from({ length: CLIENTS }, (_, which) => client(which)));
    for (let kill = 1; kill <= KILLS; kill += 1) {
      await waitFor(() => answered >= (kill * PAYMENTS) / (KILLS + 1), {
        timeoutMs: 30_000,
        describe: `kill ${kill}`,
      });
      const at = kill % services.length;
      services[at]?.kill('SIGKILL');
      await services[at]?.exited;
      services[at] = await startApp('accounts', environment);
    }
    await clients;
    const sum = (PAYMENTS * (PAYMENTS - 1)) / 2;
    await waitFor(
      async () => {
        const [row] = await rows('SELECT sum(payments)::int AS payments FROM accounts.balance');
        return (row as { payments: number | null }).payments === PAYMENTS;
      },
      { timeoutMs: 40_000, describe: 'every payment in its balance' },
    );
    const figures = 'count(*)::int AS count, sum(amount)::int AS sum';
    expect(await rows(`SELECT ${figures} FROM accounts.payment`)).toEqual([{ count: PAYMENTS, sum }]);
    expect(await rows('SELECT sum(amount)::int AS sum FROM accounts.balance')).toEqual([{ sum }]);
    expect(await rows('SELECT count(*)::int AS count FROM accounts_inbox.balances_key')).toEqual([
      { count: PAYMENTS },
    ]);
    expect(await rows('SELECT FROM accounts_outbox.dead_letter')).toEqual([]);
  });
});
