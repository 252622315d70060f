/**
 * At the end of the disk, the stream is full first. A broker that still fills the disk is recognised.
 *
 * The test needs a small disk of its own, which only root on Linux can create (tmpfs).
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { addStream, SmallDisk } from '#testing';
import { poll } from '#waiting';
import { startBrokers, type BrokerCluster } from './broker-cluster.js';
import { LocalClusterError } from './local-cluster-error.js';

const DISK_MB = 240;
const BODY = new Uint8Array(20_000).fill(120);
/** Longer than a busy machine takes: only brokers that are of no use leave a message without an answer. */
const ANSWER_MS_MAX = 10_000;

let disk: SmallDisk;
let cluster: BrokerCluster | undefined;

async function withStream(
  bytesMax: number,
  work: (connection: NatsConnection) => Promise<void>,
): Promise<void> {
  const connection = await connect({ servers: cluster?.urls ?? [] });
  try {
    const manager = await jetstreamManager(connection);
    await addStream(manager, {
      name: 'S',
      subjects: ['s.>'],
      num_replicas: 3,
      max_bytes: bytesMax,
      discard: 'new',
    });
    await work(connection);
  } finally {
    await connection.close();
  }
}

/** Publishes until the brokers refuse. @returns the last sequence they acknowledged, and the refusal */
async function fill(connection: NatsConnection): Promise<{ acknowledged: number; refusal: unknown }> {
  let acknowledged = 0;
  for (;;) {
    const tries = Array.from({ length: 20 }, () =>
      jetstream(connection).publish('s.a', BODY, { timeout: ANSWER_MS_MAX }),
    );
    for (const outcome of await Promise.allSettled(tries)) {
      if (outcome.status === 'rejected') return { acknowledged, refusal: outcome.reason };
      acknowledged = Math.max(acknowledged, outcome.value.seq);
    }
  }
}

if (SmallDisk.canMount()) {
  describe('brokers on a small disk', () => {
    beforeEach(() => {
      disk = SmallDisk.mount(DISK_MB);
    });

    afterEach(async () => {
      await cluster?.stop({ timeoutMs: 2_000 });
      cluster = undefined;
      disk.unmount();
    });

    it('are full by the bound of the stream, with room left, and keep all that they acknowledged', async () => {
      cluster = await startBrokers({ dataDirectory: join(disk.path, 'brokers') });
      expect(cluster.streamBytesMax).toBeLessThan((DISK_MB * 1e6) / 6);
      await withStream(cluster.streamBytesMax, async (connection) => {
        const { acknowledged, refusal } = await fill(connection);
        expect(refusal).toMatchObject({ code: 10077, message: 'maximum bytes exceeded' });
        const manager = await jetstreamManager(connection);
        expect((await manager.streams.info('S')).state.last_seq).toBeGreaterThanOrEqual(acknowledged);
      });
      expect(await Promise.all(cluster.nodes.map((node) => node.fault()))).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    }, 120_000);

    it('are recognised as useless once the disk was full, and as needing room first', async () => {
      cluster = await startBrokers({
        dataDirectory: join(disk.path, 'brokers'),
        maxFileStoreBytes: 10 * 1024 ** 3,
      });
      const { nodes } = cluster;
      const faults = (): Promise<unknown[]> => Promise.all(nodes.map((node) => node.fault()));
      expect(await faults()).toEqual([undefined, undefined, undefined]);
      await withStream(2 * 1024 ** 3, async (connection) => {
        await fill(connection);
      });
      const found = await poll(async () => (await faults()).find((fault) => fault !== undefined), {
        timeoutMs: 30_000,
      });
      expect(found).toEqual({
        what: expect.stringMatching(/switched JetStream off|failed to write/),
        remedy: expect.stringContaining('make room'),
      });
      disk.resize(4 * DISK_MB);
      const faulty = new Set<string>();
      const startFaultyAgain = async (): Promise<void> => {
        for (const node of nodes) {
          if ((await node.fault()) === undefined) continue;
          faulty.add(node.name);
          expect(await node.fault()).not.toHaveProperty('remedy');
          await node.stop();
          await node.spawn();
        }
      };
      // A broker that showed no fault while the disk was full shows one at its next write. So all are inspected again.
      const areHealthy = async (): Promise<true | undefined> => {
        await startFaultyAgain();
        const ready = nodes.map((node) => node.untilReady({ timeoutMs: 5_000 }));
        return (await Promise.allSettled(ready)).every(({ status }) => status === 'fulfilled') || undefined;
      };
      expect(await poll(areHealthy, { timeoutMs: 90_000 })).toBe(true);
      expect(faulty.size).toBeGreaterThan(0);
      const connection = await connect({ servers: cluster.urls });
      try {
        const manager = await jetstreamManager(connection, { checkAPI: false });
        const messages = await poll(
          async () => (await manager.streams.info('S').catch(() => undefined))?.state.messages,
          { timeoutMs: 30_000 },
        );
        expect(messages).toBeGreaterThan(0);
      } finally {
        await connection.close();
      }
    }, 180_000);

    it('refuse to start where there is no room, and say what to do', async () => {
      writeFileSync(join(disk.path, 'other'), new Uint8Array((DISK_MB - 20) * 1024 ** 2));
      const started = startBrokers({ dataDirectory: join(disk.path, 'brokers') });
      await expect(started).rejects.toThrow(LocalClusterError);
      await expect(started).rejects.toThrow(/has only \d+ MB left.*--data/);
    });
  });
} else {
  it('cannot try a full disk here: only root on Linux may mount one; the run of CI does', () => {
    expect(process.getuid?.() === 0 && process.platform === 'linux').toBe(false);
  });
}
