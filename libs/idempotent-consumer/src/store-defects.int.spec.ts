/** An error of the inbox itself is not the fault of a message, whatever the handler does. The consumer waits. */
import { afterEach, beforeEach, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { HandlerFixture } from './test/handler-fixture.js';

let fixture: HandlerFixture;

beforeEach(async () => {
  fixture = await HandlerFixture.create();
});

afterEach(async () => {
  await fixture.dispose();
});

const KEEP = 'INSERT INTO public.kept VALUES ($1)';

async function start(): Promise<void> {
  await fixture.startWith({
    applyOne: async ({ eventId }, transaction) => {
      await transaction.query(KEEP, [eventId]);
    },
  });
}

it.each([1, 3])('a statement of the inbox that fails gives up none of %i events', async (count) => {
  const { key } = fixture.tablesOf('store');
  await fixture.system.pool.query(`ALTER TABLE ${key} RENAME COLUMN digest TO digits`);
  await fixture.send(...Array.from({ length: count }, (_, n) => `e${n}`));
  await start();
  await waitFor(() => fixture.hasObserved('defect-began'), { timeoutMs: 30_000, describe: 'the defect' });
  const sinceMs = performance.now();
  // All attempts with their delays take less.
  await waitFor(() => performance.now() - sinceMs > 1_500, { timeoutMs: 30_000, describe: '1,500 ms' });
  expect([await fixture.deadLetters(), fixture.hasObserved('failed')]).toEqual([[], false]);
  await fixture.system.pool.query(`ALTER TABLE ${key} RENAME COLUMN digits TO digest`);
  expect(await fixture.settled(count, 0)).toEqual([]);
  await waitFor(() => fixture.hasObserved('defect-ended'), { timeoutMs: 30_000, describe: 'its end' });
});

it('a table of the inbox that is missing is an outage, and not a defect that someone has to repair', async () => {
  const { key } = fixture.tablesOf('store');
  await fixture.system.pool.query(`ALTER TABLE ${key} RENAME TO not_there`);
  await fixture.send('a', 'b');
  await start();
  await waitFor(() => fixture.hasObserved('outage-began'), { timeoutMs: 30_000, describe: 'the outage' });
  await fixture.system.pool.query(`ALTER TABLE inbox.not_there RENAME TO ${key.split('.')[1]}`);
  expect(await fixture.settled(2, 0)).toEqual([]);
  await waitFor(() => fixture.hasObserved('outage-ended'), { timeoutMs: 30_000, describe: 'its end' });
  expect(fixture.hasObserved('defect-began')).toBe(false);
});
