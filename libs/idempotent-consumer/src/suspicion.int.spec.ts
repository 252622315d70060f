/** Redeliveries alone do not make an event a suspect of ending processes. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { HandlerFixture } from './test/handler-fixture.js';
import { RetryLater } from './verdict.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

async function noted(): Promise<unknown[]> {
  const { rows } = await fixture.system.pool.query<Record<string, number>>(
    `SELECT seq::int AS seq, started, finished FROM ${fixture.tablesOf('store').attempt} ORDER BY seq`,
  );
  return rows;
}

function isolated(): unknown[] {
  return fixture.observed.filter(({ type }) => type === 'isolated');
}

describe('an event that is delivered often', () => {
  it('is not a suspect when the handler threw RetryLater', async () => {
    let deliveries = 0;
    await fixture.startWith(
      {
        applyOne: async ({ delivery, eventId }, transaction) => {
          deliveries = delivery.deliveryCount;
          if (deliveries < 8) throw new RetryLater(10);
          await transaction.query(KEEP, [eventId]);
        },
      },
      { settings: { isolateAfterDeliveries: 3 } },
    );
    await fixture.send('early');
    await fixture.settled(1, 0);
    expect(deliveries).toBe(8);
    expect(isolated()).toEqual([]);
    expect(await noted()).toEqual([]);
  });

  it('is not a suspect when ten processes stopped and handed it back', async () => {
    let mostDeliveries = 0;
    const start = (): Promise<void> =>
      fixture.startWith(
        {
          applyOne: async ({ delivery, eventId }, transaction) => {
            mostDeliveries = Math.max(mostDeliveries, delivery.deliveryCount);
            await transaction.query('SELECT pg_sleep(0.02)');
            await transaction.query(KEEP, [eventId]);
          },
        },
        { settings: { isolateAfterDeliveries: 3, batchSize: 1, batchesInFlight: 1 } },
      );
    await fixture.send(...Array.from({ length: 150 }, (_, n) => `e${n}`));
    for (let restarts = 0, kept = 0; restarts < 10; restarts++) {
      await start();
      await waitFor(async () => (await fixture.kept()).length > kept, {
        timeoutMs: 20_000,
        describe: 'some progress',
      });
      await fixture.stop();
      kept = (await fixture.kept()).length;
      expect(kept).toBeLessThan(150);
    }
    await start();
    await fixture.settled(150, 0);
    expect(new Set(await fixture.kept()).size).toBe(150);
    expect(mostDeliveries).toBeGreaterThan(10);
    expect(isolated()).toEqual([]);
    await fixture.nothingUnsettled();
    expect(await noted()).toEqual([]);
  });

  it('is a suspect when a process ended during its work, and is cleared when it was processed alone', async () => {
    // A killed process leaves such a row.
    await fixture.system.pool.query(
      `INSERT INTO ${fixture.tablesOf('store').attempt} (stream_id, seq, started, finished) VALUES (1, 1, 0, 0)`,
    );
    await fixture.startWith(
      {
        applyOne: async ({ delivery, eventId }, transaction) => {
          if (delivery.deliveryCount < 4) throw new RetryLater(10);
          await transaction.query(KEEP, [eventId]);
        },
      },
      { settings: { isolateAfterDeliveries: 3 } },
    );
    await fixture.send('early');
    await fixture.settled(1, 0);
    expect(isolated()).toEqual([{ type: 'isolated', seq: 1, deliveries: 4 }]);
    expect(await noted()).toEqual([]);
  });
});
