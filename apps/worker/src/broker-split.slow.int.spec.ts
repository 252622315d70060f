/** A worker whose broker is cut off from the two others moves to one of them, and stores while the split lasts. */
import { describe, expect, it } from '@jest/globals';
import { connectBroker } from '#broker';
import { type BrokerConnection, BrokerSplit, createTestCluster, waitFor } from '#testing';
import { ledgerOf, publishEvent, readLedger, startConsumer } from './test/consumer-fixture.js';

/** This is far less than a split may last. */
const RESUME_MS_MAX = 60_000;

describe.each(['silent', 'open'] as const)(
  'a worker at a broker that is cut off, in a split that is %s,',
  (manner) => {
    it('stores through another broker while the split lasts', async () => {
      const split = new BrokerSplit();
      const cluster = await createTestCluster({ split });
      const consumer = await startConsumer(cluster.environment);
      let majority: BrokerConnection | undefined;
      try {
        await publishEvent(cluster, { id: 'before', messageId: 'orders:before' });
        await waitFor(async () => (await readLedger(cluster.pool)).stored === 1, {
          timeoutMs: 20_000,
          describe: 'the event before the split to be stored',
        });
        const cutOff = consumer.connection.info?.server_name ?? '';
        const others = cluster.brokers.nodes.filter(({ name }) => name !== cutOff);
        expect(others).toHaveLength(2);
        majority = await connectBroker(
          { urls: others.map(({ url }) => url).join(','), discovery: false, name: 'producer' },
          { waitForFirst: false },
        );
        const producer = { ...cluster, connection: majority };
        split.cutOff(cutOff, manner);
        await waitFor(() => publishEvent(producer, { id: 'during', messageId: 'orders:during' }), {
          timeoutMs: RESUME_MS_MAX,
          describe: 'an event to be taken by the majority',
        });
        await waitFor(async () => (await readLedger(cluster.pool)).stored === 2, {
          timeoutMs: RESUME_MS_MAX,
          describe: 'the event to be stored during the split',
        });
        expect(consumer.connection.info?.server_name).not.toBe(cutOff);
        split.heal();
        await waitFor(() => publishEvent(producer, { id: 'after', messageId: 'orders:after' }), {
          timeoutMs: RESUME_MS_MAX,
          describe: 'an event to be taken after the split',
        });
        await waitFor(async () => (await readLedger(cluster.pool)).stored === 3, {
          timeoutMs: RESUME_MS_MAX,
          describe: 'the event after the split to be stored',
        });
        expect(await readLedger(cluster.pool)).toEqual(ledgerOf(3));
      } finally {
        split.heal();
        await majority?.close();
        await consumer.stop();
        await cluster.dispose();
      }
    }, 300_000);
  },
);
