/**
 * Each fault, once, against a real system: it does what it says, and afterwards the system works.
 *
 * The workers are the judged ones if they are built, ordinary ones otherwise.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { waitFor } from '#testing';
import { brokerApi } from '../system/broker-door.js';
import { LocalSystem } from '../system/local-system.js';
import { builtProgram } from '../system/repository.js';
import { isAlive } from '../system/signals.js';
import { Random } from '../workload/random.js';
import { catalogue, chooseFaults } from './catalogue.js';
import type { ActiveFault } from './fault.js';

const START_MS_MAX = 120_000;
const TEST_MS_MAX = 100_000;
const PUBLISH_MS_MAX = 2_000;
const READ_ONLY = '25006';
const TOO_MANY_CONNECTIONS = '53300';

let folder: string;
let system: LocalSystem;
let published = 0;
const seen = new Set<string>();

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'faults-'));
  system = await LocalSystem.start({
    folder,
    workers: 1,
    environment: { SEKALI_ACK_WAIT_MS: '6000', SEKALI_TRANSACTION_MS_MAX: '4000' },
    ...workerProgram(),
  });
}, START_MS_MAX);

afterAll(async () => {
  const pids = system.processes.flatMap(({ pid }) => pid ?? []);
  await system.stop();
  const left = pids.filter(isAlive);
  const logs = readdirSync(join(folder, 'logs'));
  rmSync(folder, { recursive: true });
  // This is not in a test, because no test comes after it.
  if (left.length > 0) throw new Error(`left running: ${left.join(', ')}`);
  for (const log of ['up.log', 'worker-p1.log', 'nats-1.log', 'postgres.log'])
    if (!logs.includes(log)) throw new Error(`${log} was not kept`);
}, START_MS_MAX);

function workerProgram() {
  try {
    return { worker: { program: builtProgram('worker', 'judged/judged-worker') } };
  } catch {
    return { worker: { program: builtProgram('worker') }, consumers: ['store'] };
  }
}

/** Starts a fault, checks its effect, and heals it. */
async function apply(name: string, observe?: (active: ActiveFault) => Promise<void>): Promise<void> {
  const [fault] = chooseFaults(name);
  if (fault === undefined) throw new Error(name);
  seen.add(name);
  expect(fault.applies(system)).toBe(true);
  const active = await fault.start(system, new Random(seen.size));
  try {
    await observe?.(active);
  } finally {
    await active.heal();
  }
}

function pids(): Map<string, number | undefined> {
  return new Map(system.processes.map(({ name, pid }) => [name, pid]));
}

/** How many processes have another pid than before; all must run. */
function restartedSince(before: Map<string, number | undefined>): string[] {
  const now = pids();
  expect([...now.values()]).not.toContain(undefined);
  return [...now].filter(([name, pid]) => before.get(name) !== pid).map(([name]) => name);
}

function stateOf(pid: number): string {
  return execFileSync('ps', ['-o', 'state=', '-p', String(pid)], { encoding: 'utf8' }).trim();
}

function pausedNames(): string[] {
  return system.processes
    .filter(({ pid }) => pid !== undefined && stateOf(pid).startsWith('T'))
    .map(({ name }) => name);
}

async function codeOf(statement: string): Promise<unknown> {
  return system.sql(statement).then(
    () => undefined,
    (error: unknown) => (error as { code?: unknown }).code ?? String(error),
  );
}

function event(bytes = 0) {
  published += 1;
  return {
    topic: 'faults',
    event_id: `e-${published}`,
    timestamp: new Date().toISOString(),
    source: 'faults.e2e',
    payload: { amount: 1, filling: 'x'.repeat(bytes) },
  };
}

/** The brokers' answer to one event that is published without a gateway. */
async function publish(bytes: number): Promise<{ seq?: number; error?: { err_code?: number } }> {
  const body = event(bytes);
  const answer = await system.brokers.request(`events.${body.topic}`, JSON.stringify(body), {
    timeout: PUBLISH_MS_MAX,
  });
  return answer.json();
}

async function readiness(gateway: string): Promise<number> {
  return (await fetch(`${gateway}/health/ready`, { signal: AbortSignal.timeout(8_000) })).status;
}

/** An event goes in at this gateway, and can be read there. */
async function takesAndStores(gateway: string): Promise<void> {
  const body = event();
  const send = async (): Promise<boolean> => {
    const answer = await fetch(`${gateway}/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    return answer.status === 202;
  };
  await waitFor(send, { timeoutMs: 30_000, describe: `${gateway} to take an event` });
  const read = async (): Promise<boolean> =>
    (await fetch(`${gateway}/events/${body.topic}/${body.event_id}`)).status === 200;
  await waitFor(read, { timeoutMs: 30_000, describe: `the event to be stored` });
}

describe('faults of processes', () => {
  it.each(['kill-gateway', 'kill-worker', 'kill-broker', 'kill-postgres', 'stop-postgres'])(
    '%s: one process is another afterwards',
    async (name) => {
      const before = pids();
      await apply(name);
      const [restarted, ...others] = restartedSince(before);
      expect(restarted).toContain(
        { gateway: 'gateway', worker: 'worker', broker: 'nats', postgres: 'postgres' }[
          name.split('-')[1] as 'broker'
        ],
      );
      expect(others).toEqual([]);
    },
    TEST_MS_MAX,
  );

  it.each(['kill-stream-leader', 'kill-consumer-leader'])(
    '%s: the broker that led is restarted',
    async (name) => {
      await system.untilReplicasCurrent(20_000);
      const before = pids();
      let detail = '';
      await apply(name, (active) => {
        ({ detail } = active);
        return Promise.resolve();
      });
      expect(restartedSince(before)).toEqual([detail.split(',')[0]]);
    },
    TEST_MS_MAX,
  );

  it.each([
    ['kill-two-brokers', 2],
    ['kill-all-brokers', 3],
  ])(
    '%s: they stay down until it is healed',
    async (name, count) => {
      await system.untilReplicasCurrent(20_000);
      const before = pids();
      await apply(name, async () => {
        await expect(publish(0)).rejects.toThrow();
        expect(restartedSince(before)).toEqual([]);
      });
      expect(restartedSince(before)).toHaveLength(count);
    },
    TEST_MS_MAX,
  );

  it.each(['pause-gateway', 'pause-worker', 'pause-broker'])(
    '%s: one process is paused, and goes on',
    async (name) => {
      await apply(name, ({ detail }) => {
        expect(pausedNames()).toEqual([detail]);
        return Promise.resolve();
      });
      expect(pausedNames()).toEqual([]);
    },
  );

  it(
    'pause-stream-leader: another broker leads meanwhile',
    async () => {
      await system.untilReplicasCurrent(20_000);
      const before = await system.leaderOf('stream');
      await apply('pause-stream-leader', async () => {
        const another = async () => ![undefined, '', before].includes(await system.leaderOf('stream'));
        await waitFor(another, { timeoutMs: 20_000, describe: 'another leader' });
      });
      expect(pausedNames()).toEqual([]);
    },
    TEST_MS_MAX,
  );
});

describe('faults of the brokers', () => {
  it(
    'step-down-…-leader: another broker leads',
    async () => {
      await system.untilReplicasCurrent(20_000);
      for (const name of ['step-down-stream-leader', 'step-down-consumer-leader']) {
        await apply(name, async ({ detail }) => {
          const [before, whose = ''] = detail.split(', which led the ');
          const consumer = whose.replace('consumer ', '');
          const what = whose === 'stream' ? 'stream' : { consumer };
          const another = async () => ![undefined, '', before].includes(await system.leaderOf(what));
          await waitFor(another, { timeoutMs: 20_000, describe: 'another leader' });
        });
      }
    },
    TEST_MS_MAX,
  );

  it(
    'fill-stream: publishers are refused until it is healed, and the limit is as before',
    async () => {
      const limit = async () =>
        (await (await brokerApi(system.brokers)).streams.info('EVENTS')).config.max_bytes;
      const isTaken = (): Promise<number> =>
        waitFor(async () => (await publish(4_000)).seq, {
          timeoutMs: 20_000,
          describe: 'an event to be taken',
        });
      const before = await limit();
      await isTaken();
      await apply('fill-stream', async () => {
        const refused = async () => (await publish(4_000)).error?.err_code;
        // "maximum bytes exceeded"
        expect(await waitFor(refused, { timeoutMs: 20_000, describe: 'a refusal' })).toBe(10_077);
      });
      expect(await limit()).toBe(before);
      await isTaken();
    },
    TEST_MS_MAX,
  );

  it(
    'wipe-broker: the broker fetches everything again',
    async () => {
      await system.untilReplicasCurrent(20_000);
      const before = pids();
      const stores = ['nats-1', 'nats-2', 'nats-3'].map((name) => system.brokerStore(name) as string);
      for (const store of stores) writeFileSync(join(store, 'mark'), '');
      await apply('wipe-broker');
      expect(restartedSince(before)).toHaveLength(1);
      const wiped = stores.filter((store) => !existsSync(join(store, 'mark')));
      expect(wiped).toHaveLength(1);
      const files = readdirSync(wiped[0] as string, { recursive: true, encoding: 'utf8' });
      expect(files.filter((file) => /EVENTS.*\.blk$/.test(file))).not.toEqual([]);
      await system.untilReplicasCurrent(1_000);
    },
    TEST_MS_MAX,
  );
});

describe('faults of Postgres', () => {
  it('read-only-postgres: writes are refused until it is healed', async () => {
    await apply('read-only-postgres', async () => {
      expect(await codeOf('CREATE TABLE public.refused ()')).toBe(READ_ONLY);
    });
    expect(await codeOf('CREATE TABLE public.taken ()')).toBeUndefined();
    expect(await codeOf('DROP TABLE public.taken')).toBeUndefined();
  });

  it('cut-postgres-connections: every session ends but those of the judge', async () => {
    const client = new pg.Client({ connectionString: system.postgresUrl });
    await client.connect();
    let isLost = false;
    client.on('error', () => (isLost = true));
    await apply('cut-postgres-connections', async ({ detail }) => {
      expect(Number.parseInt(detail)).toBeGreaterThanOrEqual(1);
      await waitFor(() => isLost, { timeoutMs: 20_000, describe: 'the session to end' });
    });
  });

  it('change-key-generation: new ids enter another table', async () => {
    const tables = async (): Promise<number> =>
      (await system.sql("SELECT FROM pg_class WHERE relkind = 'r' AND relname LIKE 'event\\_key\\_g%'"))
        .length;
    await takesAndStores(system.gatewayUrls[0] as string);
    expect(await tables()).toBe(0);
    await apply('change-key-generation', async () => {
      await waitFor(async () => (await tables()) > 0, { timeoutMs: 10_000, describe: 'another generation' });
      await takesAndStores(system.gatewayUrls[0] as string);
    });
  });

  it.each(['put-back-postgres', 'promote-standby'])(
    '%s: rows that were committed are gone, and come back by themselves',
    async (name) => {
      const [probe] = ['CREATE TABLE IF NOT EXISTS public.went_back (at timestamptz)'];
      await system.sql(probe);
      const before = pids();
      const applied = apply(name, ({ detail }) => {
        expect(detail).toMatch(/\d+ ms/);
        return Promise.resolve();
      });
      let committed = 0;
      const over = new AbortController();
      const write = (): Promise<unknown> => system.sql('INSERT INTO public.went_back VALUES (now())');
      const writing = (async (): Promise<void> => {
        while (!over.signal.aborted)
          committed += await write().then(
            () => 1,
            () => 0,
          );
      })();
      await applied.finally(() => {
        over.abort();
      });
      await writing;
      expect(restartedSince(before)).toEqual(['postgres']);
      const [row] = await system.sql('SELECT count(*)::int AS count FROM public.went_back');
      expect(row?.['count']).toBeLessThan(committed - 5);
      expect(row?.['count']).toBeGreaterThan(0);
      await system.sql('DROP TABLE public.went_back');
    },
    TEST_MS_MAX,
  );

  it('exhaust-postgres: no client gets a connection until it is healed', async () => {
    await apply('exhaust-postgres', async () => {
      expect(await codeOf('SELECT 1')).toBe(TOO_MANY_CONNECTIONS);
    });
    await waitFor(async () => (await codeOf('SELECT 1')) === undefined, {
      timeoutMs: 30_000,
      describe: 'a connection',
    });
  });
});

describe('faults of links', () => {
  it.each([
    'cut-gateway-postgres',
    'black-hole-gateway-postgres',
    'cut-gateway-broker',
    'black-hole-gateway-broker',
  ])(
    '%s: that gateway is not ready until it is healed',
    async (name) => {
      const gateway = system.gatewayUrls.at(-1) as string;
      const isReady = async (): Promise<boolean> => (await readiness(gateway)) === 200;
      await waitFor(isReady, { timeoutMs: 20_000, describe: 'the gateway to be ready before' });
      await apply(name, async () => {
        await waitFor(async () => !(await isReady()), { timeoutMs: 20_000, describe: 'it not to be ready' });
      });
      await waitFor(isReady, { timeoutMs: 20_000, describe: 'it to be ready again' });
    },
    TEST_MS_MAX,
  );

  it('can all be started and healed', async () => {
    const links = catalogue.filter(({ touches }) => touches.every((part) => part.endsWith('-links')));
    expect(links).toHaveLength(16);
    for (const { name } of links) await apply(name);
  });
});

describe('the system after all faults', () => {
  it('has seen every fault, here or in broker-faults.slow.e2e.spec.ts', () => {
    const others = catalogue.map(({ name }) => name).filter((name) => !seen.has(name));
    expect(others.filter((name) => !/^(roll-back|wipe-two|fill-disk|split)-/.test(name))).toEqual([]);
  });

  it(
    'takes an event at each gateway, and stores it',
    async () => {
      expect(system.gatewayUrls).toHaveLength(2);
      for (const gateway of system.gatewayUrls) await takesAndStores(gateway);
      await system.untilReplicasCurrent(20_000);
    },
    TEST_MS_MAX,
  );
});
