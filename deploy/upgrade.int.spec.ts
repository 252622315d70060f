/**
 * The stream of the previous version has no identity in its metadata, and setup may not change a stream. It still
 * works: its time of creation identifies it, which an amendment writes down.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { AckPolicy, DeliverPolicy, DiscardPolicy, RetentionPolicy, StorageType } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { connectBroker, jetStreamApi, STREAM_IDENTITY_METADATA } from '#broker';
import { readSetupSettings } from '#config';
import { SEKALI_LEDGER } from '#store';
import {
  createTestSystem,
  startApp,
  waitFor,
  type App,
  type BrokerConnection,
  type TestSystem,
} from '#testing';
import { sekali } from './test/command-line.js';
import { SecuredCluster, type NatsUser } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
const STORED_MS_MAX = 30_000;
const EVENTS = 3;

let cluster: SecuredCluster;
let system: TestSystem;
let monitoring: BrokerConnection;
let created: string;
let gateway: App;

const environmentOf = (user: NatsUser): Record<string, string> => ({
  ...cluster.environmentOf(user),
  SEKALI_POSTGRES_URL: system.postgresUrl,
  SEKALI_HTTP_PORT: '0',
});

/** Creates the stream and the consumer like setup of the previous version. @returns the stream's time of creation */
async function makeAsBefore(): Promise<string> {
  const settings = readSetupSettings(environmentOf('setup'));
  const connection = await connectBroker(cluster.addressOf('setup'), { waitForFirst: false });
  const manager = await jetStreamApi(connection);
  const stream = {
    name: 'EVENTS',
    subjects: ['events.>'],
    retention: RetentionPolicy.Limits,
    storage: StorageType.File,
    discard: DiscardPolicy.New,
    num_replicas: settings.SEKALI_STREAM_REPLICAS,
    max_bytes: settings.SEKALI_STREAM_BYTES_MAX,
    max_age: nanos(settings.SEKALI_STREAM_AGE_SECONDS_MAX * 1_000),
    duplicate_window: nanos(settings.SEKALI_DUPLICATE_WINDOW_MS),
    allow_direct: true,
    allow_atomic: true,
  };
  const made = await waitFor(() => manager.streams.add(stream), {
    timeoutMs: STORED_MS_MAX,
    describe: 'the brokers to have a leader',
  });
  const consumer = {
    durable_name: 'store',
    ack_policy: AckPolicy.Explicit,
    ack_wait: nanos(settings.SEKALI_ACK_WAIT_MS),
    max_ack_pending: settings.SEKALI_ACK_PENDING_MAX,
    max_deliver: -1,
    max_waiting: 512,
    deliver_policy: DeliverPolicy.All,
    metadata: { 'sekali.stream-created': made.created },
  };
  await manager.consumers.add('EVENTS', consumer);
  await connection.close();
  return made.created;
}

beforeAll(async () => {
  cluster = await SecuredCluster.start();
  system = await createTestSystem();
  created = await makeAsBefore();
  await SEKALI_LEDGER.registry.of(system.pool, { name: 'EVENTS', identity: created });
  monitoring = await connectBroker(cluster.addressOf('monitoring'), { waitForFirst: false });
}, START_MS_MAX);

afterAll(async () => {
  await monitoring.close();
  await cluster.stop();
});

async function publish(name: string): Promise<void> {
  const events = Array.from({ length: EVENTS }, (_, index) => ({
    topic: 'orders',
    event_id: `${name}-${index}`,
    timestamp: '2026-11-22T10:00:00Z',
    source: 'test',
    payload: {},
  }));
  const publishing = async (): Promise<boolean> => {
    const answer = await fetch(`${gateway.url}/publish`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(events),
    });
    return answer.status === 202;
  };
  await waitFor(publishing, { timeoutMs: STORED_MS_MAX, describe: 'the gateway to take events' });
}

/** Every event is stored once, and all of them belong to the one stream. */
async function expectStored(count: number): Promise<void> {
  const isStored = async (): Promise<boolean> => {
    const { rows } = await system.pool.query<{ count: number }>(
      'SELECT count(*)::int AS count FROM sekali.event_key',
    );
    return rows[0]?.count === count;
  };
  await waitFor(isStored, { timeoutMs: STORED_MS_MAX, describe: `${count} events to be stored` });
  const { rows } = await system.pool.query('SELECT name, identity, revision FROM sekali.stream');
  expect(rows).toEqual([{ name: 'EVENTS', identity: created, revision: 1 }]);
  const audit = await sekali(environmentOf('monitoring'), 'audit', '--wait', '30', '--json');
  expect(JSON.parse(audit.output)).toMatchObject({ verdict: 'whole', stored: count });
}

async function noted(): Promise<string | undefined> {
  const { config } = await (await jetStreamApi(monitoring)).streams.info('EVENTS');
  return config.metadata?.[STREAM_IDENTITY_METADATA];
}

describe('a stream of the version before', () => {
  it('is read as it is, before and after setup, which may not change it', async () => {
    [gateway] = await Promise.all([
      startApp('gateway', environmentOf('gateway')),
      startApp('worker', environmentOf('worker')),
    ]);
    await publish('before');
    await expectStored(EVENTS);
    const setup = await startApp('setup', environmentOf('setup'));
    expect(await setup.exited).toMatchObject({ code: 0 });
    expect(await noted()).toBeUndefined();
    await publish('after');
    await expectStored(2 * EVENTS);
  }, 120_000);

  it('has its identity written down by an amendment, and is the same one', async () => {
    const amend = await startApp('setup', environmentOf('amend'));
    expect(await amend.exited).toMatchObject({ code: 0 });
    expect(await noted()).toBe(created);
    await publish('amended');
    await expectStored(3 * EVENTS);
  }, 120_000);
});
