/** Consuming resumes by itself after a broker was killed, frozen or restarted. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { createTestCluster, inBackground, type TestCluster, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerOf,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestCluster;
let manager: JetStreamManager;
let consumer: ConsumerFixture | undefined;
let sent = 0;
const RESUME_MS_MAX = 10_000;
/**
 * Before that, the client gives up the connection to the frozen broker: after three pings and one more try to connect.
 */
const GIVE_UP_MS_MAX = 10_000;

beforeAll(async () => {
  system = await createTestCluster({ ackWaitMs: 4_000 });
  manager = await jetstreamManager(system.connection, { checkAPI: false });
});

afterAll(async () => {
  await system.dispose();
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
});

async function send(count: number, over?: AbortSignal): Promise<void> {
  for (let n = 0; n < count && over?.aborted !== true; n++) {
    const id = `e${sent++}`;
    await waitFor(() => publishEvent(system, { id, messageId: `orders:${id}` }), {
      timeoutMs: 30_000,
      describe: `${id} acknowledged`,
    });
  }
}

async function storedAtLeast(count: number, timeoutMs = 30_000): Promise<void> {
  await waitFor(async () => (await readLedger(system.pool)).stored >= count, {
    timeoutMs,
    describe: `${count} events stored`,
  });
}

async function leaderOf(what: 'stream' | 'consumer'): Promise<string> {
  return waitFor(
    async () => {
      const info =
        what === 'stream'
          ? await manager.streams.info(system.streamName)
          : await manager.consumers.info(system.streamName, system.consumerName);
      return info.cluster?.leader;
    },
    { timeoutMs: 30_000, describe: `a leader of the ${what}` },
  );
}

describe('an outage of brokers', () => {
  it.each(['stream', 'consumer'] as const)(
    'is survived when the leader of the %s is killed under load',
    async (what) => {
      consumer = await startConsumer(system.environment, { settings: { batchSize: 20, prefetch: 60 } });
      const before = sent;
      const load = inBackground((over) => send(600, over));
      await storedAtLeast(before + 50);
      const node = system.brokers.node(await leaderOf(what));
      node.kill('SIGKILL');
      await load.ended;
      // Once there is a leader again, only the consumer itself can delay the rest.
      await leaderOf('consumer');
      await storedAtLeast(sent, RESUME_MS_MAX);
      await node.start();
      expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
    },
  );

  it('is survived when the leader of the consumer freezes, which closes no connection', async () => {
    consumer = await startConsumer(system.environment, { settings: { batchSize: 20, prefetch: 60 } });
    const node = system.brokers.node(await leaderOf('consumer'));
    node.kill('SIGSTOP');
    try {
      await send(50);
      await waitFor(async () => (await leaderOf('consumer')) !== node.name, {
        timeoutMs: 30_000,
        describe: 'another leader',
      });
      await storedAtLeast(sent, GIVE_UP_MS_MAX + RESUME_MS_MAX);
    } finally {
      node.kill('SIGCONT');
    }
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('is survived when every broker restarts', async () => {
    consumer = await startConsumer(system.environment);
    const nodes = system.brokers.nodes;
    await Promise.all(nodes.map((node) => node.stop()));
    await waitFor(() => consumer?.observed.some((event) => event.type === 'session-lost'), {
      timeoutMs: 20_000,
      describe: 'the consumer to notice it',
    });
    await Promise.all(nodes.map((node) => node.start()));
    await send(20);
    await leaderOf('consumer');
    await storedAtLeast(sent, RESUME_MS_MAX);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });
});
