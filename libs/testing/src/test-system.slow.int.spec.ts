import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { waitFor } from './condition.js';
import { sharedServers } from './servers.js';
import { createTestCluster, createTestSystem } from './test-system.js';

describe('a test system', () => {
  it('has an empty schema, a replicated stream and a consumer of its own', async () => {
    const [one, other] = await Promise.all([createTestSystem(), createTestSystem({ ackWaitMs: 1_000 })]);
    expect(one.streamName).not.toBe(other.streamName);
    const { rows } = await one.pool.query<{ events: number }>(
      'SELECT count(*)::int AS events FROM sekali.event_key',
    );
    expect(rows).toEqual([{ events: 0 }]);

    await jetstream(one.connection).publish(`${one.subjectPrefix}.a`, '{}');
    const manager = await jetstreamManager(one.connection);
    const { config, state } = await manager.streams.info(one.streamName);
    expect([config.num_replicas, state.messages]).toEqual([3, 1]);
    // The leader of the consumer may learn of a message later than its publisher.
    const pending = async (): Promise<number> =>
      (await manager.consumers.info(one.streamName, one.consumerName)).num_pending;
    expect(await waitFor(pending, { timeoutMs: 20_000, describe: 'a message for the consumer' })).toBe(1);
    expect((await manager.streams.info(other.streamName)).state.messages).toBe(0);
  });

  it('tells the apps where all of it is, within the bounds of their settings', async () => {
    const { environment, streamName } = await createTestSystem({
      ackWaitMs: 1_000,
      settings: { SEKALI_BATCH_SIZE: '10' },
    });
    expect(environment).toMatchObject({
      SEKALI_STREAM: streamName,
      SEKALI_ACK_WAIT_MS: '1000',
      SEKALI_TRANSACTION_MS_MAX: '500',
      SEKALI_HTTP_PORT: '0',
      SEKALI_BATCH_SIZE: '10',
    });
  });

  it('leaves neither stream nor database behind', async () => {
    const watcher = await createTestSystem();
    const { streamName, postgresUrl, dispose } = await createTestSystem();
    await dispose();
    await dispose();
    const manager = await jetstreamManager(watcher.connection);
    await expect(manager.streams.info(streamName)).rejects.toThrow('stream not found');
    const name = new URL(postgresUrl).pathname.slice(1);
    const { rowCount } = await watcher.pool.query('SELECT FROM pg_database WHERE datname = $1', [name]);
    expect(rowCount).toBe(0);
  });
});

describe('a test cluster', () => {
  it('can lose Postgres and a broker, while the servers of the run stay as they are', async () => {
    const cluster = await createTestCluster();
    expect(sharedServers().postgresUrl).not.toBe(cluster.postgresUrl);
    cluster.postgres.kill('SIGKILL');
    cluster.brokers.node('nats-1').kill('SIGKILL');
    await cluster.postgres.exited;
    await cluster.postgres.start();
    const rowCount = await waitFor(async () => (await cluster.pool.query('SELECT 1')).rowCount, {
      timeoutMs: 30_000,
      describe: 'Postgres to answer again',
    });
    expect(rowCount).toBe(1);
    const ack = await waitFor(
      () => jetstream(cluster.connection).publish(`${cluster.subjectPrefix}.a`, '{}'),
      {
        timeoutMs: 20_000,
        describe: 'two brokers of three to take an event',
      },
    );
    expect(ack.seq).toBeGreaterThan(0);
  });
});
