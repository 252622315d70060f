/** Brokers that forgot their streams while the files are still there, as nats-server 2.14.0 does on a full disk. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { addStream } from '#testing';
import { poll } from '#waiting';
import { startBrokers, type BrokerCluster } from './broker-cluster.js';

const MESSAGES = 20;

let folder: string;
let cluster: BrokerCluster;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'sekali-meta-'));
  cluster = await startBrokers({ dataDirectory: folder });
}, 90_000);

afterEach(async () => {
  await cluster.stop({ timeoutMs: 2_000 });
  rmSync(folder, { recursive: true, force: true });
});

async function connected<T>(work: (connection: NatsConnection) => Promise<T>): Promise<T> {
  const connection = await connect({ servers: cluster.urls });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function publishAll(): Promise<void> {
  await connected(async (connection) => {
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await addStream(manager, { name: 'S', subjects: ['s.>'], num_replicas: 3 });
    await manager.consumers.add('S', { durable_name: 'c', ack_policy: 'explicit' });
    for (let index = 0; index < MESSAGES; index += 1) await jetstream(connection).publish('s.a', '1');
  });
}

const logOf = (store: string): string => join(store, 'jetstream', '$SYS', '_js_', '_meta_');

/** Stops all brokers, removes the log of each meta group, and starts them again. */
async function forget(): Promise<void> {
  const { nodes } = cluster;
  await Promise.all(nodes.map((node) => node.stop()));
  for (const { storeDirectory } of nodes) {
    expect(existsSync(logOf(storeDirectory))).toBe(true);
    rmSync(logOf(storeDirectory), { recursive: true });
  }
  await Promise.all(nodes.map((node) => node.spawn()));
  for (const node of nodes) await node.untilReady({ timeoutMs: 60_000 });
}

const copies = (): number =>
  cluster.nodes.filter(({ storeDirectory }) => existsSync(join(storeDirectory, 'meta-layer', '$SYS'))).length;

/** Acts like a supervisor until each node has its copy and nothing changes any more. */
async function waitUntilCopied(): Promise<void> {
  let quiet = 0;
  await poll(
    async () => {
      for (const node of cluster.nodes) expect(await node.fault()).toBeUndefined();
      quiet = copies() === cluster.nodes.length ? quiet + 1 : 0;
      return quiet > 3 || undefined;
    },
    { timeoutMs: 30_000 },
  );
  expect(copies()).toBe(cluster.nodes.length);
}

describe('brokers that all forgot their streams', () => {
  it('restore them, with every message and consumer, after a restart', async () => {
    await publishAll();
    await waitUntilCopied();
    await forget();
    await connected(async (connection) => {
      const manager = await jetstreamManager(connection, { checkAPI: false });
      const found = await poll(() => manager.streams.info('S').catch(() => undefined), {
        timeoutMs: 30_000,
      });
      expect(found?.state).toMatchObject({ messages: MESSAGES, last_seq: MESSAGES });
      // A consumer that has just elected a leader has not counted yet.
      let pending: number | undefined;
      await poll(
        async () => {
          pending = (await manager.consumers.info('S', 'c').catch(() => undefined))?.num_pending;
          return pending === MESSAGES || undefined;
        },
        { timeoutMs: 30_000 },
      );
      expect(pending).toBe(MESSAGES);
      await poll(
        async () =>
          (await jetstream(connection)
            .publish('s.a', '2', { msgID: 'last' })
            .catch(() => undefined)) ?? undefined,
        { timeoutMs: 30_000 },
      );
      expect((await manager.streams.info('S')).state.messages).toBe(MESSAGES + 1);
    });
  }, 180_000);
});
