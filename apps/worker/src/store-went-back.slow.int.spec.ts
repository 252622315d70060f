/**
 * The database goes back in time: committed rows are gone, and the consumer has acknowledged their messages. They are
 * delivered again, and what was there changes nothing.
 */
import 'reflect-metadata';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import type { ConsumerEvent } from '#idempotent-consumer';
import { newestStoreLoss } from '#store';
import { createTestCluster, DatabaseCopy, inBackground, Standby, type TestCluster, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerBecomes,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

const RESTORED_MS_MAX = 60_000;
jest.setTimeout(240_000);

let system: TestCluster;
let consumers: ConsumerFixture[] = [];
let sent = 0;

beforeEach(async () => {
  system = await createTestCluster({ nodes: 1, ackWaitMs: 4_000 });
  system.pool.on('error', () => undefined);
  sent = 0;
});

afterEach(async () => {
  for (const consumer of consumers) await consumer.stop();
  consumers = [];
  await system.dispose();
});

async function start(count = 2): Promise<void> {
  for (let n = 0; n < count; n++) consumers.push(await startConsumer(system.environment));
}

async function stop(): Promise<void> {
  for (const consumer of consumers) await consumer.stop();
  consumers = [];
}

async function send(count: number): Promise<void> {
  const ids = Array.from({ length: count }, () => `e${sent++}`);
  for (let at = 0; at < count; at += 50)
    await Promise.all(
      ids.slice(at, at + 50).map((id) => publishEvent(system, { id, messageId: `orders:${id}` })),
    );
}

async function sendAndStore(count: number): Promise<void> {
  await send(count);
  await ledgerBecomes(system, ledgerOf(sent));
  await nothingUnsettled(system);
}

type WentBack = Extract<ConsumerEvent, { readonly type: 'store-went-back' }>;

/** What the consumers reported of stores that went back. */
function reported(): WentBack[] {
  return consumers.flatMap(({ observed }) => observed.filter((event) => event.type === 'store-went-back'));
}

async function restored(): Promise<NonNullable<Awaited<ReturnType<typeof newestStoreLoss>>>> {
  return waitFor(
    async () => {
      const loss = await newestStoreLoss(system.pool).catch(() => undefined);
      return loss?.restoredAt === undefined ? undefined : loss;
    },
    { timeoutMs: RESTORED_MS_MAX, describe: 'the loss to be noted and restored' },
  );
}

/** Waits until every event that was sent is stored, once, and nothing waits. */
async function wholeAgain(): Promise<void> {
  await waitFor(async () => (await readLedger(system.pool).catch(() => undefined))?.stored === sent, {
    timeoutMs: RESTORED_MS_MAX,
    describe: `${sent} events to be stored again`,
  });
  await nothingUnsettled(system);
  expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
}

describe('a database that went back in time', () => {
  it('gets again what it lacks while nothing else happens, after an older copy was put in its place', async () => {
    await start();
    await sendAndStore(300);
    const copy = await DatabaseCopy.of(system.postgres);
    await sendAndStore(200);
    await copy.putBack();
    await wholeAgain();
    expect(reported()[0]).toMatchObject({ firstSeq: 301, lastSeq: 500, missing: 200 });
    expect(await restored()).toMatchObject({ consumer: 'store', firstSeq: 301, lastSeq: 500, missing: 200 });
  });

  it('gets it again after a standby that had fallen behind was promoted, and answered as a standby before', async () => {
    await start();
    await sendAndStore(100);
    const standby = await Standby.of(system.postgres);
    try {
      await sendAndStore(100);
      await standby.catchUp();
      await standby.fallBehind();
      await sendAndStore(150);
      await standby.takeOver(consumersAreConnected);
      await wholeAgain();
      expect(reported()[0]).toMatchObject({ firstSeq: 201, lastSeq: 350, missing: 150 });
      await restored();
    } finally {
      await standby.stop();
    }
  });

  it('gets it again when no worker ran meanwhile', async () => {
    await start(1);
    await sendAndStore(100);
    const copy = await DatabaseCopy.of(system.postgres);
    await sendAndStore(100);
    await stop();
    await copy.putBack();
    await send(50);
    await start(1);
    await wholeAgain();
    expect(reported()[0]).toMatchObject({ firstSeq: 101, lastSeq: 200, missing: 100 });
  });

  it('gets it again although messages were deleted before it, which it never had', async () => {
    await start(1);
    await sendAndStore(50);
    await stop();
    await send(10);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    for (let seq = 51; seq <= 55; seq++) await manager.streams.deleteMessage(system.streamName, seq);
    sent -= 5;
    await start(1);
    await wholeAgain();
    sent += 5;
    const copy = await DatabaseCopy.of(system.postgres);
    await send(40);
    await waitFor(async () => (await readLedger(system.pool)).stored === 95, {
      timeoutMs: RESTORED_MS_MAX,
      describe: '95 events stored',
    });
    await nothingUnsettled(system);
    await copy.putBack();
    await waitFor(async () => (await readLedger(system.pool).catch(() => undefined))?.stored === 95, {
      timeoutMs: RESTORED_MS_MAX,
      describe: '95 events stored again',
    });
    expect(reported()[0]).toMatchObject({ firstSeq: 61, lastSeq: 100, missing: 40 });
  });

  it('loses and repeats nothing under load', async () => {
    await start();
    const load = inBackground(async (over) => {
      while (!over.aborted) await send(50);
    });
    const storedMoreThan = async (count: number): Promise<void> => {
      await waitFor(
        async () => ((await readLedger(system.pool).catch(() => undefined))?.stored ?? 0) > count,
        { timeoutMs: RESTORED_MS_MAX, describe: `more than ${count} events stored` },
      );
    };
    await storedMoreThan(500);
    const copy = await DatabaseCopy.of(system.postgres);
    const { stored } = await readLedger(system.pool);
    await storedMoreThan(stored + 2_000);
    await copy.putBack();
    await storedMoreThan(stored + 4_000);
    await load.end();
    await wholeAgain();
    expect(reported().length).toBeGreaterThan(0);
  });
});

describe('a database that lost nothing', () => {
  it('is left alone through 1,000 lost connections, restarts, crashes and promotions of a standby', async () => {
    await start();
    const ordinary = { connections: 955, restarts: 30, crashes: 12, promotions: 3 };
    const load = inBackground(async (over) => {
      while (!over.aborted) await send(1);
    });
    for (let n = 0; n < ordinary.connections; n++) await cutConnections();
    for (let n = 0; n < ordinary.restarts + ordinary.crashes; n++) {
      const before = (await readLedger(system.pool)).stored;
      await system.postgres.stop(n < ordinary.restarts ? 'fast' : 'immediate');
      await system.postgres.start();
      await storedAfter(before);
    }
    await load.end();
    await wholeAgain();
    let primary = system.postgres;
    const standbys: Standby[] = [];
    try {
      for (let n = 0; n < ordinary.promotions; n++) {
        const standby = await Standby.of(primary);
        standbys.push(standby);
        await sendAndStore(40);
        await standby.catchUp();
        await standby.takeOver(consumersAreConnected);
        primary = standby.server;
        await sendAndStore(10);
      }
    } finally {
      for (const standby of standbys) await standby.stop();
    }
    expect(reported()).toEqual([]);
    const types = new Set(consumers.flatMap(({ observed }) => observed.map(({ type }) => type)));
    expect(types).not.toContain('put-back');
    expect(types).toContain('outage-ended');
  }, 600_000);
});

/** Ends every connection of the consumers, and waits for the next one. */
async function cutConnections(): Promise<void> {
  const { rows } = await system.pool.query<{ pid: number }>(
    `SELECT pid, pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'fixture'`,
  );
  const gone = new Set(rows.map(({ pid }) => pid));
  await waitFor(
    async () => {
      const { rows: now } = await system.pool.query<{ pid: number }>(
        `SELECT pid FROM pg_stat_activity WHERE application_name = 'fixture'`,
      );
      return now.some(({ pid }) => !gone.has(pid));
    },
    { timeoutMs: RESTORED_MS_MAX, intervalMs: 5, describe: 'another connection of a consumer' },
  );
}

/** Waits until the consumers have asked the server that has the port now. */
async function consumersAreConnected(): Promise<void> {
  await waitFor(
    async () => {
      const { rows } = await system.pool.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'fixture' AND query <> '' AND state = 'idle'`,
      );
      return rows.length > 0;
    },
    { timeoutMs: RESTORED_MS_MAX, describe: 'the consumers to ask the standby' },
  );
}

async function storedAfter(before: number): Promise<void> {
  await waitFor(async () => ((await readLedger(system.pool).catch(() => undefined))?.stored ?? 0) > before, {
    timeoutMs: RESTORED_MS_MAX,
    describe: 'events to be stored after a restart',
  });
}
