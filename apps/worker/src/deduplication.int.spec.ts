/** An event has one effect, also when it is repeated in a batch, across batches, across workers or after the window. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerBecomes,
  ledgerOf,
  publishEvent,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestSystem;
const consumers: ConsumerFixture[] = [];

beforeEach(async () => {
  system = await createTestSystem({ ackWaitMs: 10_000 });
});

afterEach(async () => {
  await Promise.all(consumers.splice(0).map((consumer) => consumer.stop()));
  await system.dispose();
});

async function start(options?: Parameters<typeof startConsumer>[1]): Promise<ConsumerFixture> {
  const consumer = await startConsumer(system.environment, options);
  consumers.push(consumer);
  return consumer;
}

describe('a worker', () => {
  it('stores one of the duplicates in a batch, and records the sequence that came first', async () => {
    const first = await publishEvent(system, { id: 'a' });
    for (let n = 0; n < 4; n++) await publishEvent(system, { id: 'a' });
    await start({ settings: { batchWaitMs: 50 } });
    await ledgerBecomes(system, ledgerOf(1, 4));
    const { rows } = await system.pool.query<{ first: number }>(
      'SELECT DISTINCT first_seq::int AS first FROM sekali.duplicate',
    );
    expect(rows).toEqual([{ first }]);
  });

  it('finds duplicates across batches', async () => {
    await start({ settings: { batchSize: 1 } });
    for (let n = 0; n < 30; n++) await publishEvent(system, { id: `e${n % 10}` });
    await ledgerBecomes(system, ledgerOf(10, 20));
  });

  it('finds duplicates that several workers have at the same moment, without a deadlock', async () => {
    for (let n = 0; n < 4; n++) await start({ settings: { batchSize: 200, prefetch: 400 } });
    // Each 1,600 messages are 200 events, sent eight times, so the batches of the four workers overlap.
    const idOf = (n: number): string => `e${Math.floor(n / 1_600)}-${(n * 7) % 200}`;
    await Promise.all(Array.from({ length: 6_400 }, (_, n) => publishEvent(system, { id: idOf(n) })));
    await ledgerBecomes(system, ledgerOf(800, 5_600));
    const { rows } = await system.pool.query<{ deadlocks: number }>(
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(rows).toEqual([{ deadlocks: 0 }]);
  });

  it('puts repeats that follow closely into later batches, without redeliveries', async () => {
    // Three of every ten repeat one of the ten before them.
    const idOf = (n: number): string => `e${n % 10 < 3 ? n - 5 : n}`;
    await Promise.all(Array.from({ length: 600 }, (_, n) => publishEvent(system, { id: idOf(n + 10) })));
    // With a backlog and slow transactions, each batch begins before the previous one has ended.
    const consumer = await start({
      settings: { batchSize: 10, prefetch: 60, batchesInFlight: 2 },
      afterStoring: async (_, transaction) => {
        await transaction.query('SELECT pg_sleep(0.01)');
      },
    });
    await ledgerBecomes(system, ledgerOf(423, 177));
    const { rows } = await system.pool.query(
      'SELECT sum(redelivered)::int AS redelivered FROM sekali.counter',
    );
    expect(rows).toEqual([{ redelivered: 0 }]);
    const committed = consumer.observed.flatMap((event) => (event.type === 'committed' ? [event.seqs] : []));
    const hasGap = (seqs: readonly number[]): boolean => Math.max(...seqs) - Math.min(...seqs) >= seqs.length;
    expect(committed.some(hasGap)).toBe(true);
    expect(committed.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 600 }, (_, n) => n + 1));
  });

  it('remembers ids after the duplicate window has passed', async () => {
    await system.dispose();
    system = await createTestSystem({ duplicateWindowMs: 100 });
    await start();
    const messageId = 'orders:late';
    await publishEvent(system, { id: 'late', messageId });
    const second = await waitFor(
      async () => {
        const seq = await publishEvent(system, { id: 'late', messageId });
        return seq > 1 ? seq : undefined;
      },
      { timeoutMs: 10_000, describe: 'the broker to forget the message id' },
    );
    expect(second).toBe(2);
    await ledgerBecomes(system, ledgerOf(1, 1));
  });

  it('stores two events with the same id under two topics', async () => {
    await start();
    await publishEvent(system, { topic: 'orders', id: 'same' });
    await publishEvent(system, { topic: 'invoices', id: 'same' });
    await ledgerBecomes(system, ledgerOf(2));
  });

  it('records a duplicate with another JSON value as a conflict, and keeps the first payload', async () => {
    await start({ settings: { batchSize: 1, batchesInFlight: 1 } });
    await publishEvent(system, { id: 'a', payload: '{"n":1,"list":[1,2]}' });
    await publishEvent(system, { id: 'a', payload: '{ "list": [1, 2], "n": 1.0 }' });
    await publishEvent(system, { id: 'a', payload: '{"n":2,"list":[1,2]}' });
    await publishEvent(system, { id: 'a', payload: '{"n":1,"list":[2,1]}' });
    await ledgerBecomes(system, ledgerOf(1, 3, 2));
    const { rows } = await system.pool.query('SELECT payload FROM sekali.event');
    expect(rows).toEqual([{ payload: { n: 1, list: [1, 2] } }]);
    const conflicts = await system.pool.query(
      'SELECT payload FROM sekali.duplicate WHERE conflict ORDER BY seq',
    );
    expect(conflicts.rows).toEqual([
      { payload: { n: 2, list: [1, 2] } },
      { payload: { n: 1, list: [2, 1] } },
    ]);
  });

  it('stores numbers that JavaScript cannot represent', async () => {
    await start();
    await publishEvent(system, { id: 'big', payload: '{"n":12345678901234567890.123456789}' });
    await ledgerBecomes(system, ledgerOf(1));
    const { rows } = await system.pool.query(`SELECT payload->>'n' AS n FROM sekali.event`);
    expect(rows).toEqual([{ n: '12345678901234567890.123456789' }]);
  });
});
