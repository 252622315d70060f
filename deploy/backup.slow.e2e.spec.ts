/**
 * Backup and restore of both stores, as deploy/README.md describes it: files of a store that was stopped for the copy.
 *
 * Here the stores are processes and folders, there they are containers and volumes. compose.e2e.spec.ts runs the
 * commands.
 */
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { BrokerNode } from '#local-cluster';
import { createTestCluster, startApp, waitFor, type App, type TestCluster } from '#testing';
import { sekali } from './test/command-line.js';
import { SteadyProducer } from './test/steady-producer.js';

const MINUTE_MS = 60_000;
const EVENTS_BETWEEN = 500;

let system: TestCluster;
let gateway: App;
let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-backup-'));
  system = await createTestCluster();
  [gateway] = await Promise.all([
    startApp('gateway', system.environment),
    startApp('worker', system.environment),
    startApp('worker', system.environment),
  ]);
}, MINUTE_MS);

afterAll(async () => {
  await system.dispose();
  rmSync(folder, { recursive: true, force: true });
});

/** Copies like `tar` of a volume, with owners and modes. */
async function copy(from: string, to: string): Promise<void> {
  rmSync(to, { recursive: true, force: true });
  await promisify(execFile)('cp', ['-a', from, to]);
}

const storesOf = (node: BrokerNode): [live: string, saved: string] => [
  join(node.dataDirectory, 'store'),
  join(folder, node.name),
];

async function backUpPostgres(name: string): Promise<void> {
  await system.postgres.stop();
  await copy(system.postgres.dataDirectory, join(folder, name));
  await system.postgres.start();
}

/** Loses the database, and restores its backup. `atTheStop` is what its user does in between. */
async function restorePostgres(name: string, atTheStop: () => Promise<void>): Promise<void> {
  await system.postgres.stop('immediate');
  await atTheStop();
  await copy(join(folder, name), system.postgres.dataDirectory);
  await system.postgres.start();
}

async function stopBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.stop()));
}

async function startBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.spawn()));
  await Promise.all(system.brokers.nodes.map((node) => node.untilReady()));
}

async function rewind(): Promise<void> {
  expect(await sekali(system.environment, 'rewind')).toMatchObject({ code: 0 });
}

async function setup(): Promise<void> {
  await startApp('setup', system.environment);
}

async function stored(): Promise<number> {
  const { rows } = await system.pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM sekali.event_key',
  );
  return rows[0]?.count ?? 0;
}

async function moreIsStored(): Promise<number> {
  const before = await waitFor(async () => [await stored()], {
    timeoutMs: MINUTE_MS,
    describe: 'the database to answer',
  });
  return waitFor(
    async () => {
      const now = await stored();
      return now >= (before[0] ?? 0) + EVENTS_BETWEEN ? now : undefined;
    },
    { timeoutMs: MINUTE_MS, describe: `${EVENTS_BETWEEN} more events to be stored` },
  );
}

interface AuditDocument {
  readonly verdict: string;
  readonly stored: number;
  readonly other_streams: readonly { readonly stored: number }[];
}

async function audit(): Promise<AuditDocument> {
  const { output } = await sekali(system.environment, 'audit', '--wait', '60', '--json');
  return JSON.parse(output) as AuditDocument;
}

/** Every event of the producers is stored, once. */
async function expectWhole(...producers: readonly SteadyProducer[]): Promise<void> {
  const accepted = producers.reduce((sum, producer) => sum + producer.accepted, 0);
  // An event whose acknowledgement was lost is there, too. Its producer sent it again until it was acknowledged.
  await waitFor(async () => (await stored()) === accepted, {
    timeoutMs: MINUTE_MS,
    describe: `${accepted} events to be stored`,
  });
  expect(await audit()).toMatchObject({ verdict: 'whole', stored: accepted });
}

/** Requests stored events like a reader who pages through all of them. */
async function readPages(): Promise<void> {
  await waitFor(async () => (await fetch(`${gateway.url}/events?limit=10`)).ok, {
    timeoutMs: MINUTE_MS,
    describe: 'the gateway to read the database',
  });
}

let first: SteadyProducer;

describe('a database that is restored from a backup', () => {
  it(
    'gets everything again that was stored since, while producers go on',
    async () => {
      first = new SteadyProducer(() => [gateway.url]);
      await moreIsStored();
      // A gateway that has just started may not have reached the brokers yet.
      const refusedAtFirst = first.refusals;
      await backUpPostgres('postgres-1');
      const before = await stored();
      expect(await moreIsStored()).toBeGreaterThan(before);
      await restorePostgres('postgres-1', rewind);
      await setup();
      await moreIsStored();
      await first.stop();
      await expectWhole(first);
      // Producers noticed neither the copy nor the loss, because their events wait in the stream.
      expect(first.refusals).toBe(refusedAtFirst);
    },
    3 * MINUTE_MS,
  );

  it(
    'is made whole by the workers when nothing was rewound, whatever readers do meanwhile',
    async () => {
      const before = await stored();
      await restorePostgres('postgres-1', () => Promise.resolve());
      // A reader's requests are answered. They must not settle what is missing.
      await readPages();
      await expectWhole(first);
      expect(await stored()).toBe(before);
      const { rows } = await system.pool.query<{ missing: number }>(
        `SELECT missing::int FROM sekali.store_loss WHERE consumer = 'store' ORDER BY loss_id DESC LIMIT 1`,
      );
      expect(rows[0]?.missing).toBeGreaterThanOrEqual(EVENTS_BETWEEN);
    },
    2 * MINUTE_MS,
  );
});

describe('brokers that are restored from a backup', () => {
  it(
    'make the system whole with the backup of the database that was taken before',
    async () => {
      await backUpPostgres('postgres-2');
      const second = new SteadyProducer(() => [gateway.url], 'second');
      await moreIsStored();
      await second.stop();
      await expectWhole(first, second);
      await stopBrokers();
      for (const [live, saved] of system.brokers.nodes.map(storesOf)) await copy(live, saved);
      await Promise.all([system.postgres.stop('immediate'), startBrokers()]);
      // The whole store is lost.
      await stopBrokers();
      for (const [live, saved] of system.brokers.nodes.map(storesOf)) await copy(saved, live);
      await startBrokers();
      await restorePostgres('postgres-2', rewind);
      await setup();
      await expectWhole(first, second);
    },
    3 * MINUTE_MS,
  );

  it(
    'from before the database go on as another incarnation, empty ones as another stream; no event is stored twice',
    async () => {
      const third = new SteadyProducer(() => [gateway.url], 'third');
      await moreIsStored();
      await third.stop();
      await waitFor(async () => (await audit()).verdict === 'whole', {
        timeoutMs: MINUTE_MS,
        describe: 'everything to be stored',
      });
      const before = await stored();
      await stopBrokers();
      for (const [live, saved] of system.brokers.nodes.map(storesOf)) await copy(saved, live);
      await startBrokers();
      await setup();
      const again = await sentAgain(third, before);
      expect(await audit()).toMatchObject({ verdict: 'whole' });
      await stopBrokers();
      for (const [live] of system.brokers.nodes.map(storesOf)) rmSync(live, { recursive: true });
      await startBrokers();
      await setup();
      const last = await sentAgain(again, await stored());
      expect(await audit()).toMatchObject({ verdict: 'whole', stored: last.accepted - again.accepted });
    },
    4 * MINUTE_MS,
  );
});

/** Sends again what a producer has sent, and some new events. Only the new ones must be stored. */
async function sentAgain(producer: SteadyProducer, before: number): Promise<SteadyProducer> {
  const again = new SteadyProducer(() => [gateway.url], 'third');
  await waitFor(() => again.accepted > producer.accepted, {
    timeoutMs: MINUTE_MS,
    describe: 'the same events to be sent again, and more',
  });
  await again.stop();
  const expected = before + again.accepted - producer.accepted;
  await waitFor(async () => (await stored()) === expected, {
    timeoutMs: MINUTE_MS,
    describe: `${expected} events to be stored`,
  });
  return again;
}
