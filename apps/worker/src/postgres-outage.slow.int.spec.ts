/** Workers wait for an outage of Postgres. No message is given up or counted because of it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestCluster, inBackground, TcpProxy, type TestCluster, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerOf,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestCluster;
let consumer: ConsumerFixture | undefined;
let sent = 0;
/** A busy machine may keep a worker from its messages for seconds. */
const ackWaitMs = 8_000;

beforeAll(async () => {
  system = await createTestCluster({ ackWaitMs, settings: { SEKALI_TRANSACTION_MS_MAX: '2000' } });
});

afterAll(async () => {
  await system.dispose();
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
});

/** The types of what the consumer has reported, also while it starts. */
let observed: string[] = [];

async function start(postgresUrl = system.postgresUrl, prefetch = 60): Promise<ConsumerFixture> {
  observed = [];
  consumer = await startConsumer(
    { ...system.environment, SEKALI_POSTGRES_URL: postgresUrl },
    {
      settings: { batchSize: 20, prefetch, transactionMsMax: 2_000 },
      observe: ({ type }) => void observed.push(type),
    },
  );
  return consumer;
}

async function send(count: number): Promise<void> {
  for (let n = 0; n < count; n++) await publishEvent(system, { id: `e${sent++}` });
}

function hasReported(type: string): boolean {
  return observed.includes(type);
}

async function outageSeen(): Promise<void> {
  await waitFor(() => hasReported('outage-began'), {
    timeoutMs: 20_000,
    describe: 'the consumer to notice the outage',
  });
}

/** Expects that every event is stored once, and that the outage left no dead letter, duplicate or attempt. */
async function wholeAgain(): Promise<void> {
  await waitFor(async () => (await readLedger(system.pool)).stored >= sent, {
    timeoutMs: 40_000,
    describe: `${sent} events stored`,
  });
  expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  const { rows } = await system.pool.query('SELECT * FROM sekali.attempt');
  expect(rows).toEqual([]);
  // A row may be seen before its worker has the answer to the commit.
  await waitFor(() => hasReported('outage-ended'), {
    timeoutMs: 20_000,
    describe: 'the end of the outage to be reported',
  });
}

describe('an outage of Postgres', () => {
  it('is waited for when Postgres is stopped under load and started again', async () => {
    await start();
    const load = inBackground(() => send(400));
    await waitFor(async () => (await readLedger(system.pool)).stored > 50, {
      timeoutMs: 20_000,
      describe: 'a start',
    });
    await system.postgres.stop('fast');
    await outageSeen();
    await load.ended;
    await system.postgres.start();
    await wholeAgain();
  });

  it('is waited for when Postgres is killed under load, longer than the ack wait', async () => {
    // The prefetch has room for more, so a message that is not kept alive is delivered again.
    await start(system.postgresUrl, 1_000);
    const load = inBackground(() => send(400));
    await waitFor(async () => (await readLedger(system.pool)).stored > sent - 400 + 50, {
      timeoutMs: 20_000,
      describe: 'a start',
    });
    system.postgres.kill('SIGKILL');
    await system.postgres.exited;
    await outageSeen();
    await load.ended;
    // The worker keeps held messages alive meanwhile. Otherwise the broker would deliver them again after the ack wait.
    const killedMs = performance.now();
    await waitFor(() => performance.now() - killedMs > 1.5 * ackWaitMs, {
      timeoutMs: 2 * ackWaitMs,
      describe: 'the ack wait to pass',
    });
    await system.postgres.start();
    await wholeAgain();
    const { rows } = await system.pool.query(
      'SELECT sum(redelivered)::int AS redelivered FROM sekali.counter',
    );
    expect(rows).toEqual([{ redelivered: 0 }]);
  });

  it('is waited for when Postgres accepts no writes', async () => {
    await start();
    await system.pool.query('ALTER SYSTEM SET default_transaction_read_only = on');
    await system.pool.query('SELECT pg_reload_conf()');
    await send(20);
    await outageSeen();
    const admin = new pg.Client({
      connectionString: system.postgresUrl,
      options: '-c default_transaction_read_only=off',
    });
    await admin.connect();
    await admin.query('ALTER SYSTEM RESET default_transaction_read_only');
    await admin.query('SELECT pg_reload_conf()');
    await admin.end();
    await wholeAgain();
  });

  it('is waited for when Postgres has no connection left', async () => {
    const { rows } = await system.pool.query<{ slots: number }>(
      `SELECT current_setting('max_connections')::int AS slots`,
    );
    const hogs: pg.Client[] = [];
    const take = async (): Promise<boolean> => {
      const hog = new pg.Client({ connectionString: system.postgresUrl });
      hog.on('error', () => undefined);
      const isConnected = await hog.connect().then(
        () => true,
        () => false,
      );
      if (isConnected) hogs.push(hog);
      return isConnected;
    };
    const giveBack = (): Promise<unknown> => Promise.all(hogs.splice(0).map((hog) => hog.end()));
    try {
      for (let n = 0; n < (rows[0]?.slots ?? 100); n++) if (!(await take())) break;
      // The consumer starts now, because one that had connections already would not need new ones.
      const starting = inBackground(() => start());
      await send(20);
      await outageSeen();
      expect(consumer).toBeUndefined();
      await giveBack();
      await starting.ended;
    } finally {
      await giveBack();
    }
    await waitFor(async () => (await readLedger(system.pool)).stored >= sent, {
      timeoutMs: 40_000,
      describe: `${sent} events stored`,
    });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('is waited for when a connection hangs silently', async () => {
    const proxy = await TcpProxy.start(system.postgres.port);
    try {
      const url = new URL(system.postgresUrl);
      url.port = String(proxy.port);
      await start(url.href);
      await send(20);
      await waitFor(async () => (await readLedger(system.pool)).stored >= sent, {
        timeoutMs: 20_000,
        describe: 'a start',
      });
      proxy.hang();
      await send(40);
      await outageSeen();
      proxy.heal();
      await wholeAgain();
      await consumer?.stop();
      consumer = undefined;
    } finally {
      await proxy.stop();
    }
  });
});
