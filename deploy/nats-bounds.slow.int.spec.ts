/** How much of the brokers one user may take, so that enough is left for the others. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { headers, nuid } from '@nats-io/nats-core';
import { connectBroker, jetStreamApi } from '#broker';
import { createTestSystem, startApp, waitFor, type BrokerConnection } from '#testing';
import { type NatsUser, SecuredCluster } from './test/secured-cluster.js';

const START_MS_MAX = 90_000;
/** The value in nats.conf. */
const BATCHES_MAX = 6;
const BATCH_MESSAGES_MAX = 200;
const PRODUCER_CONNECTIONS_MAX = 100;
const PAYLOAD_BYTES_MAX = 272 * 1_024;

let cluster: SecuredCluster;

beforeAll(async () => {
  cluster = await SecuredCluster.start();
  const { postgresUrl } = await createTestSystem();
  await startApp('setup', { ...cluster.environmentOf('setup'), SEKALI_POSTGRES_URL: postgresUrl });
}, START_MS_MAX);

afterAll(async () => {
  await cluster.stop();
});

async function as<T>(user: NatsUser, work: (connection: BrokerConnection) => Promise<T>): Promise<T> {
  const connection = await connectBroker(cluster.addressOf(user), { waitForFirst: false });
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

/** The brokers' answer to a message of a batch: nothing when they keep it for the rest, else the reason. */
async function answerInBatch(connection: BrokerConnection, batch: string, number: number): Promise<string> {
  const header = headers();
  header.set('Nats-Batch-Id', batch);
  header.set('Nats-Batch-Sequence', String(number));
  const answer = await connection.request('events.orders', 'x', { headers: header, timeout: 5_000 });
  return answer.string();
}

async function expectOthersServed(): Promise<void> {
  const ack = await as('gateway', (connection) =>
    connection.request('events.orders', '-', { timeout: 5_000 }),
  );
  expect(ack.json()).toMatchObject({ stream: 'EVENTS' });
  for (const user of ['worker', 'setup', 'monitoring'] as const) {
    const name = await as(user, async (connection) => {
      const api = await jetStreamApi(connection);
      return (await api.streams.info('EVENTS')).config.name;
    });
    expect(name).toBe('EVENTS');
  }
}

describe('a producer', () => {
  it('begins a few batches that it does not end, and the others are served', async () => {
    await as('producer', async (connection) => {
      const answers = await Promise.all(
        Array.from({ length: 5 * BATCHES_MAX }, () => answerInBatch(connection, nuid.next(), 1)),
      );
      expect(answers.filter((answer) => answer === '')).toHaveLength(BATCHES_MAX);
      await expectOthersServed();
      // Abandoned batches make room by themselves.
      const again = async (): Promise<boolean> => (await answerInBatch(connection, nuid.next(), 1)) === '';
      await waitFor(again, { timeoutMs: 30_000, describe: 'an unfinished batch to be dropped' });
    });
  });

  it('puts no more messages into a batch than the brokers hold', async () => {
    await as('producer', async (connection) => {
      const batch = nuid.next();
      const begin = async (): Promise<boolean> => (await answerInBatch(connection, batch, 1)) === '';
      await waitFor(begin, { timeoutMs: 30_000, describe: 'room for a batch' });
      for (let number = 2; number <= BATCH_MESSAGES_MAX; number += 1) {
        expect(await answerInBatch(connection, batch, number)).toBe('');
      }
      expect(await answerInBatch(connection, batch, BATCH_MESSAGES_MAX + 1)).toMatch(/"error"/);
    });
  });

  it('opens all the connections that it may, and the others come in', async () => {
    const connections: BrokerConnection[] = [];
    const open = async (): Promise<void> => {
      connections.push(await connectBroker(cluster.addressOf('producer'), { waitForFirst: false }));
    };
    try {
      // A busy broker may not answer in time. One that refuses does so again and again.
      for (let refusals = 0; refusals < 3 && connections.length <= 2 * PRODUCER_CONNECTIONS_MAX;) {
        refusals = await open().then(
          () => 0,
          () => refusals + 1,
        );
      }
      // The brokers count connections in common, and tell each other a moment later.
      expect(connections.length).toBeLessThanOrEqual(1.1 * PRODUCER_CONNECTIONS_MAX);
      await expectOthersServed();
    } finally {
      await Promise.all(connections.map((connection) => connection.close()));
    }
  }, 120_000);

  it('sends no more in one message than an event and its headers are', async () => {
    await as('producer', (connection) => {
      expect(connection.info?.max_payload).toBe(PAYLOAD_BYTES_MAX);
      return Promise.resolve();
    });
  });
});
