/** A stream keeps its identity through updates, and through restarts of its brokers. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, type StreamInfo } from '@nats-io/jetstream';
import { streamIdentity } from '#broker';
import { readSetupSettings } from '#config';
import { createLogger } from '#observability';
import { SEKALI_LEDGER } from '#store';
import { createTestCluster, createTestSystem, type TestCluster, type TestSystem, waitFor } from '#testing';
import { BacklogError } from './backlog-guard.js';
import { prepareBroker } from './preparation.js';

const logger = createLogger('setup', 'silent');

async function setUp(system: TestSystem, changes: Readonly<Record<string, string>> = {}): Promise<void> {
  await prepareBroker(readSetupSettings({ ...system.environment, ...changes }), logger);
}

async function streamOf({ connection, streamName }: TestSystem): Promise<StreamInfo> {
  return (await jetstreamManager(connection, { checkAPI: false })).streams.info(streamName);
}

/** Recreates the stream of a system as it was before streams had an identity. */
async function withoutIdentity(system: TestSystem): Promise<StreamInfo> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { config } = await streamOf(system);
  await manager.streams.delete(system.streamName);
  return manager.streams.add({ ...config, metadata: {} });
}

async function identities({ pool }: TestSystem): Promise<string[]> {
  const { rows } = await pool.query<{ identity: string }>(
    'SELECT identity FROM sekali.stream ORDER BY stream_id',
  );
  return rows.map(({ identity }) => identity);
}

describe('the stream of a single broker', () => {
  let system: TestCluster;
  beforeAll(async () => {
    system = await createTestCluster({ nodes: 1 });
  });
  afterAll(async () => {
    await system.dispose();
  });

  it('keeps its identity after every update and restart, although the broker changes the instant of its creation', async () => {
    await setUp(system);
    const first = await streamOf(system);
    for (let start = 2; start <= 3; start++) {
      // Each update changes a setting, so that the broker does carry it out.
      await setUp(system, { SEKALI_STREAM_AGE_SECONDS_MAX: String(3_600 + start) });
      const [node] = system.brokers.nodes;
      await node?.stop();
      await node?.start();
    }
    await setUp(system);
    const last = await waitFor(() => streamOf(system), { timeoutMs: 30_000, describe: 'the broker' });
    expect(last.created).not.toBe(first.created);
    expect(streamIdentity(last)).toBe(streamIdentity(first));
    expect(await identities(system)).toEqual([streamIdentity(first)]);
  });
});

describe('a stream without an identity', () => {
  it('gets the instant of its creation as its identity when the database knows it by that', async () => {
    const system = await createTestSystem();
    const { created } = await withoutIdentity(system);
    await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity: created });
    await setUp(system);
    expect(streamIdentity(await streamOf(system))).toBe(created);
    expect(await identities(system)).toEqual([created]);
  });

  it('gets the identity that the database knows when its messages are those of the database', async () => {
    const system = await createTestSystem();
    await withoutIdentity(system);
    const { seq } = await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, '{}');
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const message = await manager.streams.getMessage(system.streamName, { seq });
    await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity: 'an earlier instant' });
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       VALUES (1, $1, 'orders', 's', 'not_json', 'because', '', 1, $2)`,
      [seq, message?.time.toISOString()],
    );
    await setUp(system);
    expect(await identities(system)).toEqual(['an earlier instant']);
    expect(streamIdentity(await streamOf(system))).toBe('an earlier instant');
  });

  it('is registered as another stream when its messages are not those of the database', async () => {
    const system = await createTestSystem();
    const { created } = await withoutIdentity(system);
    const { seq } = await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, '{}');
    await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity: 'an earlier instant' });
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       VALUES (1, $1, 'orders', 's', 'not_json', 'because', '', 1, '2026-11-22T10:00:00Z')`,
      [seq],
    );
    await setUp(system);
    expect(await identities(system)).toEqual(['an earlier instant', created]);
  });
});

describe('setup while messages are not stored yet', () => {
  it.each([
    ['another subject prefix', ['SEKALI_SUBJECT_PREFIX'], 'SEKALI_SUBJECT_PREFIX is'],
    ['smaller events', ['SEKALI_EVENT_BYTES_MAX'], 'SEKALI_EVENT_BYTES_MAX is 1024, and was 262144'],
    ['another stream', ['SEKALI_STREAM', 'SEKALI_SUBJECT_PREFIX'], 'start with SEKALI_STREAM='],
  ])('refuses %s, and accepts it once they are stored', async (_what, changed, words) => {
    const system = await createTestSystem();
    const others = {
      SEKALI_STREAM: `${system.streamName}_2`,
      SEKALI_SUBJECT_PREFIX: `${system.subjectPrefix}_2`,
      SEKALI_EVENT_BYTES_MAX: '1024',
    };
    const settings: Record<string, string> = Object.fromEntries(
      Object.entries(others).filter(([name]) => changed.includes(name)),
    );
    await setUp(system);
    const before = await streamOf(system);
    await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, '{}');
    const refused = await setUp(system, settings).catch((error: unknown) => error);
    expect(refused).toBeInstanceOf(BacklogError);
    expect(String(refused)).toContain(words);
    expect((await streamOf(system)).config).toEqual(before.config);
    const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
    await (await consumer.next())?.ackAck();
    await setUp(system, settings);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const { SEKALI_STREAM: renamed } = settings;
    if (renamed !== undefined) await manager.streams.delete(renamed);
  });
});
