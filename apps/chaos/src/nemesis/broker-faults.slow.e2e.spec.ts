/**
 * Faults of the brokers' files and of the routes between them, once each: they do what they say.
 *
 * How the system reacts is for the judge to decide. These tests only ask the brokers.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connect } from '@nats-io/transport-node';
import { waitFor } from '#testing';
import { brokerApi } from '../system/broker-door.js';
import { brokerDoors } from '../system/broker-sign-in.js';
import { LocalSystem } from '../system/local-system.js';
import { builtProgram } from '../system/repository.js';
import { Random } from '../workload/random.js';
import { chooseFaults } from './catalogue.js';
import type { ActiveFault } from './fault.js';

const START_MS_MAX = 150_000;
const TEST_MS_MAX = 150_000;
const PUBLISH_MS_MAX = 2_000;
const PUBLISH_EVERY_MS = 50;

let folder: string;
let system: LocalSystem;
let published = 0;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'broker-faults-'));
  system = await LocalSystem.start({
    folder,
    prepare: ['disks', 'routes'],
    diskBytes: 64 * 1024 ** 2,
    worker: { program: builtProgram('worker') },
    consumers: ['store'],
  });
}, START_MS_MAX);

afterAll(async () => {
  await system.stop();
  rmSync(folder, { recursive: true });
}, START_MS_MAX);

async function apply(name: string, observe?: (active: ActiveFault) => Promise<void>): Promise<ActiveFault> {
  const [fault] = chooseFaults(name);
  if (fault === undefined) throw new Error(name);
  expect(fault.applies(system)).toBe(true);
  const active = await fault.start(system, new Random(7));
  try {
    await observe?.(active);
  } finally {
    await active.heal();
  }
  return active;
}

/** @returns the sequence that the brokers give it; undefined while they do not answer */
async function publish(over = system.brokers): Promise<number | undefined> {
  published += 1;
  const event = {
    topic: 'faults',
    event_id: `e-${published}`,
    timestamp: '2026-11-22T10:00:00Z',
    source: 'broker-faults.e2e',
    payload: {},
  };
  return over
    .request('events.faults', JSON.stringify(event), { timeout: PUBLISH_MS_MAX })
    .then((answer) => answer.json<{ seq?: number }>().seq)
    .catch(() => undefined);
}

/** Publishes while something happens, and reports when which sequence was acknowledged. */
async function publishing<T>(
  work: Promise<T>,
): Promise<{ ended: T; acknowledged: readonly { at: number; seq: number }[] }> {
  const acknowledged: { at: number; seq: number }[] = [];
  const over = new AbortController();
  const load = (async () => {
    while (!over.signal.aborted) {
      const seq = await publish();
      if (seq !== undefined) acknowledged.push({ at: performance.now(), seq });
      const dueAt = performance.now() + PUBLISH_EVERY_MS;
      const isDue = () => over.signal.aborted || performance.now() >= dueAt;
      await waitFor(isDue, { timeoutMs: 10_000, describe: 'the next message to be due' });
    }
  })();
  const ended = await work.finally(() => over.abort());
  await load;
  return { ended, acknowledged };
}

async function lastSequence(): Promise<number> {
  const read = async () => (await (await brokerApi(system.brokers)).streams.info('EVENTS')).state.last_seq;
  return waitFor(read, { timeoutMs: 30_000, describe: 'the state of the stream' });
}

describe('a small disk for a broker', () => {
  it.each(['fill-disk-of-one-broker', 'fill-disk-of-two-brokers', 'fill-disk-of-all-brokers'])(
    'lets %s apply if it could be mounted, and gives the reason if not',
    (name) => {
      const [fault] = chooseFaults(name);
      expect(fault?.applies(system)).toBe(system.notes.length === 0);
    },
  );
});

describe('a split of the brokers', () => {
  it.each(['split-gateway-broker', 'split-worker-broker'])(
    '%s: the broker takes nothing although clients reach it, and the others go on',
    async (name) => {
      await system.untilReplicasCurrent(30_000);
      await apply(name, async ({ detail }) => {
        const broker = detail.split(',')[0] ?? '';
        const url = system.natsUrls[Number(broker.slice('nats-'.length)) - 1] ?? '';
        const alone = await connect(brokerDoors([url]));
        const together = await connect(brokerDoors(system.natsUrls.filter((one) => one !== url)));
        try {
          const isAway = async () => (await publish(alone)) === undefined;
          await waitFor(isAway, { timeoutMs: 30_000, describe: 'it to take nothing' });
          await alone.flush();
          await waitFor(() => publish(together), { timeoutMs: 30_000, describe: 'the others to go on' });
        } finally {
          await Promise.all([alone.close(), together.close()]);
        }
      });
    },
    TEST_MS_MAX,
  );
});

describe('brokers that are put back', () => {
  it.each(['roll-back-brokers', 'roll-back-stream', 'roll-back-two-brokers', 'wipe-two-brokers'])(
    '%s: everything acknowledged before its window is there',
    async (name) => {
      await system.untilReplicasCurrent(30_000);
      await publish();
      const { ended, acknowledged } = await publishing(apply(name));
      const { fromAt = 0, untilAt = 0 } = ended.exposed ?? {};
      expect(untilAt - fromAt).toBeGreaterThan(1_000);
      const inside = acknowledged.filter(({ at }) => at >= fromAt && at <= untilAt);
      expect(inside.length).toBeGreaterThan(0);
      const before = Math.max(0, ...acknowledged.filter(({ at }) => at < fromAt).map(({ seq }) => seq));
      expect(await lastSequence()).toBeGreaterThanOrEqual(before);
      const again = await waitFor(() => publish(), { timeoutMs: 30_000, describe: 'a message to be taken' });
      expect(again).toBeGreaterThan(before);
      await system.untilReplicasCurrent(30_000);
    },
    TEST_MS_MAX,
  );

  it(
    'roll-back-broker: everything that was acknowledged is there, because the others went on',
    async () => {
      await system.untilReplicasCurrent(30_000);
      const { ended, acknowledged } = await publishing(apply('roll-back-broker'));
      expect(ended.exposed).toBeUndefined();
      expect(acknowledged.length).toBeGreaterThan(0);
      const highest = Math.max(...acknowledged.map(({ seq }) => seq));
      expect(await lastSequence()).toBeGreaterThanOrEqual(highest);
      await system.untilReplicasCurrent(30_000);
    },
    TEST_MS_MAX,
  );

  it(
    'give sequences again after roll-back-brokers',
    async () => {
      const { ended, acknowledged } = await publishing(apply('roll-back-brokers'));
      const { untilAt = 0 } = ended.exposed ?? {};
      const highest = Math.max(...acknowledged.filter(({ at }) => at <= untilAt).map(({ seq }) => seq));
      const first = acknowledged.find(({ at }) => at > untilAt);
      expect(first?.seq ?? (await publish())).toBeLessThanOrEqual(highest);
    },
    TEST_MS_MAX,
  );
});

// These come last. Whether brokers recover by themselves is for the judge to decide, so they are started again here.
describe('a broker whose disk is full', () => {
  const mountable = process.platform === 'linux' && process.getuid?.() === 0;
  const names = ['fill-disk-of-one-broker', 'fill-disk-of-two-brokers', 'fill-disk-of-all-brokers'];
  // When no disk can be mounted, the test above proves that the faults do not apply.
  const counts = mountable ? ([1, 2, 3] as const) : ([] as const);
  for (const count of counts) {
    it(
      `takes nothing any more, on ${count} of three, until it is freed`,
      async () => {
        const [fault] = chooseFaults(names[count - 1] ?? '');
        const active = await fault?.start(system, new Random(7));
        const stores = ['nats-1', 'nats-2', 'nats-3'].map((name) => system.brokerStore(name) ?? '');
        expect(stores.filter((store) => !hasRoom(store))).toHaveLength(count);
        const healing = active?.heal().catch(() => undefined);
        const isFree = () => stores.every(hasRoom);
        await waitFor(isFree, { timeoutMs: 20_000, describe: 'room on each disk' });
        const brokers = system.processes.filter(({ role, pid }) => role === 'broker' && pid !== undefined);
        const before = brokers.map((broker) => ({ broker, pid: broker.pid ?? 0 }));
        for (const { broker } of before) broker.kill('SIGKILL');
        await Promise.all(before.map(({ broker, pid }) => broker.untilRestarted(pid, 60_000)));
        await system.untilReplicasCurrent(60_000);
        await healing;
      },
      TEST_MS_MAX,
    );
  }
});

function hasRoom(store: string): boolean {
  try {
    writeFileSync(join(store, 'probe'), Buffer.alloc(65_536));
    rmSync(join(store, 'probe'));
    return true;
  } catch {
    return false;
  }
}
