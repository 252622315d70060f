/**
 * Between accounts, the answer to a consumer's reset is lost when the broker that receives it leads the consumer. The
 * reset is recognised all the same, through any broker.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { connectBroker, jetStreamApi, resetConsumer, STREAM_IDENTITY_METADATA } from '#broker';
import { DurableConsumer } from '#idempotent-consumer/parts';
import { createTestSystem, startApp, waitFor, type BrokerConnection } from '#testing';
import { SecuredCluster } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
const MESSAGES = 9;

let cluster: SecuredCluster;
let monitoring: BrokerConnection;
const opened: BrokerConnection[] = [];

beforeAll(async () => {
  cluster = await SecuredCluster.start();
  const { postgresUrl } = await createTestSystem();
  await startApp('setup', { ...cluster.environmentOf('setup'), SEKALI_POSTGRES_URL: postgresUrl });
  monitoring = await connectBroker(cluster.addressOf('monitoring'), { waitForFirst: false });
  const producer = await connectBroker(cluster.addressOf('producer'), { waitForFirst: false });
  for (let seq = 1; seq <= MESSAGES; seq++) await producer.request('events.orders', `${seq}`);
  await producer.close();
}, START_MS_MAX);

afterAll(async () => {
  for (const connection of [monitoring, ...opened]) await connection.close();
  await cluster.stop();
});

async function connectTo(port: number, user: 'worker' | 'setup'): Promise<BrokerConnection> {
  const address = { ...cluster.addressOf(user), urls: `tls://127.0.0.1:${port}` };
  const connection = await connectBroker(address, { waitForFirst: false });
  opened.push(connection);
  return connection;
}

/** Lets a worker take `count` messages and settle none. @returns the sequence of the first */
async function take(worker: BrokerConnection, count: number): Promise<number> {
  const seqs: number[] = [];
  const subscription = worker.subscribe('_INBOX_worker.taken', {
    callback: (_, { subject, reply = '' }) => {
      if (subject.startsWith('events.')) seqs.push(Number(reply.split('.').at(-4)));
    },
  });
  worker.publish('SEKALI.API.CONSUMER.MSG.NEXT.EVENTS.store', `{"batch":${count},"expires":10000000000}`, {
    reply: '_INBOX_worker.taken',
  });
  await waitFor(() => seqs.length >= count, { timeoutMs: 15_000, describe: `${count} deliveries` });
  subscription.unsubscribe();
  return seqs[0] ?? NaN;
}

/** The last sequence that was delivered. */
async function delivered(): Promise<number> {
  const info = await (await jetStreamApi(monitoring)).consumers.info('EVENTS', 'store');
  return info.delivered.stream_seq;
}

const address = { stream: 'EVENTS', consumer: 'store', identityKey: STREAM_IDENTITY_METADATA };

describe.each([0, 1, 2])('a consumer that is put back through broker %i', (index) => {
  it('delivers from there on, whichever worker asked for it', async () => {
    const { port } = cluster.brokers[index] ?? { port: 0 };
    const worker = await connectTo(port, 'worker');
    const setup = await connectTo(port, 'setup');
    const durable = new DurableConsumer(worker, {
      ...address,
      replyPrefix: '_INBOX_worker',
      apiPrefix: 'SEKALI.API',
    });
    await durable.reset(1);
    expect(await take(worker, 5)).toBe(1);
    await resetConsumer(setup, { name: 'store', stream: 'EVENTS' }, 3);
    expect(await take(worker, 3)).toBe(3);
    // Another worker may have received messages before the one that asked for the reset inspects the consumer.
    const resetting = durable.reset(2);
    await waitFor(async () => (await delivered()) === 1, { timeoutMs: 10_000, describe: 'the reset' });
    expect(await take(worker, 3)).toBe(2);
    await resetting;
    expect(await delivered()).toBe(4);
  }, 60_000);
});
