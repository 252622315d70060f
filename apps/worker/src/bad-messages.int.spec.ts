/** A bad message becomes a dead letter with its reason, and its neighbours are stored. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream } from '@nats-io/jetstream';
import { createTestSystem, type TestSystem } from '#testing';
import {
  type ConsumerFixture,
  ledgerBecomes,
  ledgerOf,
  publishEvent,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestSystem;
let consumer: ConsumerFixture | undefined;

beforeEach(async () => {
  system = await createTestSystem({ ackWaitMs: 10_000 });
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
  await system.dispose();
});

async function deadLetters(): Promise<{ topic: string; event_id: string | null; reason: string }[]> {
  const { rows } = await system.pool.query<{ topic: string; event_id: string | null; reason: string }>(
    'SELECT topic, event_id, reason FROM sekali.dead_letter ORDER BY seq',
  );
  return rows;
}

/** Postgres refuses this effect for events that are marked as bad, as a constraint of a user's table would. */
const refuseBad = `
SELECT 1 / CASE WHEN payload->>'bad' = 'yes' THEN 0 ELSE 1 END FROM unnest($1::jsonb[]) AS input (payload)`;

describe('a worker with bad messages', () => {
  it('makes each message that is not an event a dead letter with its reason, and stores the neighbours', async () => {
    const raw = (subject: string, body: string | Uint8Array): Promise<unknown> =>
      jetstream(system.connection).publish(`${system.subjectPrefix}.${subject}`, body);
    await publishEvent(system, { id: 'good-1' });
    await raw('orders', '{not json');
    await raw('orders', new Uint8Array([0x22, 0xff, 0x22]));
    await raw('orders', '{"event_id":"x"}');
    await raw(
      'orders',
      '{"topic":"other","event_id":"c","timestamp":"2026-11-22T10:00:00Z","source":"s","payload":{}}',
    );
    await raw(
      'orders',
      '{"event_id":"n","timestamp":"2026-11-22T10:00:00Z","source":"s","payload":{"a":"\\u0000"}}',
    );
    await raw('or$ders', '{}');
    await publishEvent(system, { id: 'good-2' });
    consumer = await startConsumer(system.environment, { settings: { batchWaitMs: 50 } });
    await ledgerBecomes(system, ledgerOf(2, 0, 0, 6));
    expect(await deadLetters()).toEqual([
      { topic: 'orders', event_id: null, reason: 'not_json' },
      { topic: 'orders', event_id: null, reason: 'not_utf8' },
      { topic: 'orders', event_id: 'x', reason: 'invalid_event' },
      { topic: 'orders', event_id: 'c', reason: 'subject_mismatch' },
      { topic: 'orders', event_id: 'n', reason: 'invalid_event' },
      { topic: '(invalid)', event_id: null, reason: 'invalid_event' },
    ]);
  });

  it('divides a batch that Postgres refuses until the bad row is alone', async () => {
    for (let n = 0; n < 100; n++) {
      await publishEvent(system, {
        id: `e${n}`,
        payload: n === 17 || n === 71 ? '{"bad":"yes"}' : '{"bad":"no"}',
      });
    }
    consumer = await startConsumer(system.environment, {
      // No event is isolated, so that only the division can find them.
      settings: { batchWaitMs: 100, isolateAfterDeliveries: 1_000 },
      afterStoring: async (fresh, transaction) => {
        await transaction.query(refuseBad, [fresh.map(({ event }) => event.payload)]);
      },
    });
    await ledgerBecomes(system, ledgerOf(98, 0, 0, 2));
    expect(await deadLetters()).toEqual([
      { topic: 'orders', event_id: 'e17', reason: 'refused_by_store' },
      { topic: 'orders', event_id: 'e71', reason: 'refused_by_store' },
    ]);
    expect(consumer.observed.some((event) => event.type === 'divided')).toBe(true);
  });

  it('repeats a failing effect with growing delays, and gives the event up after three attempts', async () => {
    const attempts: number[] = [];
    for (let n = 0; n < 5; n++) await publishEvent(system, { id: `e${n}` });
    consumer = await startConsumer(system.environment, {
      settings: { attemptsMax: 3, retryDelayMs: 100, isolateAfterDeliveries: 10 },
      afterStoring: (fresh) => {
        const failing = fresh.filter(({ eventId }) => eventId === 'e3');
        if (failing.length === 0) return Promise.resolve();
        if (fresh.length === 1) attempts.push(Date.now());
        return Promise.reject(new TypeError('a defect in the effect'));
      },
    });
    await ledgerBecomes(system, ledgerOf(4, 0, 0, 1));
    expect(await deadLetters()).toEqual([{ topic: 'orders', event_id: 'e3', reason: 'effect_failed' }]);
    // A batch that failed does not count as an attempt, also where the event was its only one.
    expect([3, 4]).toContain(attempts.length);
    const [first = 0, second = 0, third = 0] = attempts.slice(-3);
    // The broker keeps the delay as a lower bound. How much longer it takes says nothing.
    expect(second - first).toBeGreaterThanOrEqual(100);
    expect(third - second).toBeGreaterThanOrEqual(200);
    const { rows } = await system.pool.query('SELECT * FROM sekali.attempt');
    expect(rows).toEqual([]);
  });

  it('stores an event whose effect failed at first', async () => {
    let failures = 0;
    await publishEvent(system, { id: 'a' });
    consumer = await startConsumer(system.environment, {
      afterStoring: () => (++failures < 3 ? Promise.reject(new Error('not yet')) : Promise.resolve()),
    });
    await ledgerBecomes(system, ledgerOf(1));
  });
});
