/**
 * Every process is restarted while a producer sends, one after the other, like deploy/rolling-restart.sh does it. No
 * request is refused for longer than an election, and nothing is lost or stored twice.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestCluster, startApp, waitFor, type App, type AppName, type TestCluster } from '#testing';
import { sekali } from './test/command-line.js';
import { SteadyProducer } from './test/steady-producer.js';

const MINUTE_MS = 60_000;
/** Elections take up to 9 s when a leader vanishes. A broker that is stopped hands over before it ends. */
const REFUSED_MS_MAX = 15_000;

let system: TestCluster;
const apps: Record<'worker' | 'gateway', App[]> = { worker: [], gateway: [] };

beforeAll(async () => {
  system = await createTestCluster();
  for (const name of ['worker', 'gateway'] as const) {
    apps[name] = await Promise.all([1, 2].map(() => startApp(name, system.environment)));
  }
}, MINUTE_MS);

afterAll(async () => {
  await system.dispose();
});

async function restartApps(name: keyof typeof apps & AppName): Promise<void> {
  for (const index of apps[name].keys()) {
    expect(await apps[name][index]?.stop()).toMatchObject({ code: 0 });
    apps[name][index] = await startApp(name, system.environment);
    await isReady();
  }
}

/** Both gateways are ready, and so are brokers, stream, consumer and database. */
async function isReady(): Promise<void> {
  await waitFor(
    async () => {
      const answers = await Promise.all(apps.gateway.map(({ url }) => fetch(`${url}/health/ready`)));
      return answers.every(({ ok }) => ok);
    },
    { timeoutMs: MINUTE_MS, describe: 'both gateways to be ready' },
  );
}

async function stored(): Promise<number> {
  const { rows } = await system.pool.query<{ count: number }>(
    'SELECT count(*)::int AS count FROM sekali.event_key',
  );
  return rows[0]?.count ?? 0;
}

async function restartBrokers(): Promise<void> {
  for (const node of system.brokers.nodes) {
    await node.stop();
    // This resolves when the node has caught up with all of its streams. Before that, stopping the next one would cost
    // the quorum.
    await node.start();
    await isReady();
  }
}

describe('a rolling restart', () => {
  it(
    'refuses no producer for longer than an election, and loses nothing',
    async () => {
      const producer = new SteadyProducer(() => apps.gateway.map(({ url }) => url));
      const moreIsAccepted = async (): Promise<void> => {
        const before = producer.accepted;
        await waitFor(() => producer.accepted > before + 200, {
          timeoutMs: MINUTE_MS,
          describe: 'more events to be accepted',
        });
      };
      await moreIsAccepted();
      await restartBrokers();
      await moreIsAccepted();
      await restartApps('worker');
      await restartApps('gateway');
      await moreIsAccepted();
      await producer.stop();
      expect(producer.longestGapMs).toBeLessThan(REFUSED_MS_MAX);
      const { code, output } = await sekali(system.environment, 'audit', '--wait', '60', '--json');
      expect({ code, audit: JSON.parse(output) as unknown }).toMatchObject({
        code: 0,
        audit: { verdict: 'whole', stored: producer.accepted, dead_letters: 0 },
      });
      expect(await stored()).toBe(producer.accepted);
    },
    3 * MINUTE_MS,
  );
});
