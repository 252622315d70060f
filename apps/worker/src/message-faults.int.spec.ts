/**
 * A failure of one message alone is that message's fault. Failures of every message: store-defects.slow.int.spec.ts.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { ledgerBecomes, ledgerOf } from './test/consumer-fixture.js';
import { expectNothingGivenUp, StoreFixture } from './test/store-fixture.js';

let store: StoreFixture;

beforeEach(async () => {
  store = await StoreFixture.create();
});

afterEach(async () => {
  await store.dispose();
});

describe('a defect of the store', () => {
  it('is waited for: no event is given up because of it, and all are stored once it is over', async () => {
    await store.start();
    await store.send(3);
    await ledgerBecomes(store, ledgerOf(3));
    await store.addTrigger(`RAISE EXCEPTION 'not today'`);
    await store.send(40);
    await expectNothingGivenUp(store);
    await store.dropTrigger();
    await ledgerBecomes(store, ledgerOf(43));
  });
});

describe('a store that discards the ids of a rehearsal', () => {
  it('is waited for, and does not look like another history of the stream', async () => {
    await store.start();
    await store.send(3);
    await ledgerBecomes(store, ledgerOf(3));
    await store.sql(
      `CREATE FUNCTION sekali.discard() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF NEW.event_id LIKE 'rehearsal-%' THEN RETURN NULL; END IF; RETURN NEW; END $$`,
      'CREATE TRIGGER discard BEFORE INSERT ON sekali.event_key FOR EACH ROW EXECUTE FUNCTION sekali.discard()',
    );
    await store.addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await store.send(1, 'bad');
    await expectNothingGivenUp(store);
    await store.sql('DROP TRIGGER discard ON sekali.event_key');
    await ledgerBecomes(store, ledgerOf(3, 0, 0, 1));
    expect((await store.pool.query('SELECT FROM sekali.stream')).rowCount).toBe(1);
  });
});

describe('the fault of one message', () => {
  it('is found when a trigger raises an error for it alone, and its neighbours are stored', async () => {
    await store.addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await store.start({ settings: { batchWaitMs: 50, isolateAfterDeliveries: 1_000 } });
    await store.send(20);
    await store.send(1, 'bad');
    await store.send(20);
    await ledgerBecomes(store, ledgerOf(40, 0, 0, 1));
    expect(await store.deadLetters()).toMatchObject([{ event_id: 'bad-20', reason: 'effect_failed' }]);
  });

  it('is found in a process that had stored nothing before, as soon as another event is stored', async () => {
    await store.addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await store.send(1, 'bad');
    await store.start();
    await expectNothingGivenUp(store);
    await store.send(1);
    await ledgerBecomes(store, ledgerOf(1, 0, 0, 1));
  });

  it('is found in each message of a batch that is refused for the content of every one', async () => {
    await store.sql(
      `ALTER TABLE sekali.event ADD CONSTRAINT sober CHECK (payload->>'bad' IS NULL OR payload->>'bad' <> 'yes') NOT VALID`,
    );
    await store.start({ settings: { batchSize: 10, batchWaitMs: 50 } });
    await store.send(2);
    await store.send(30, 'bad', '{"bad":"yes"}');
    await store.send(2);
    await ledgerBecomes(store, ledgerOf(4, 0, 0, 30));
    expect(new Set((await store.deadLetters()).map(({ reason }) => reason))).toEqual(
      new Set(['refused_by_store']),
    );
  });

  it('is found by trying other events, when a new constraint refuses the event that was good before', async () => {
    await store.start({ settings: { batchWaitMs: 50 } });
    await store.send(1);
    await ledgerBecomes(store, ledgerOf(1));
    await store.sql(
      `ALTER TABLE sekali.event ADD CONSTRAINT marked CHECK (payload->>'mark' = 'yes') NOT VALID`,
    );
    await store.send(1, 'bad', '{"mark":"no"}');
    await store.send(20, 'good', '{"mark":"yes"}');
    await ledgerBecomes(store, ledgerOf(21, 0, 0, 1));
  });

  it('is found when it is too slow alone: its dead letter names the bound to raise, and its neighbours are stored', async () => {
    await store.addTrigger('PERFORM pg_sleep(20)', `NEW.event_id LIKE 'slow%'`);
    await store.start({
      settings: { transactionMsMax: 1_000, batchWaitMs: 50, batchSize: 100, isolateAfterDeliveries: 1_000 },
    });
    await store.send(10);
    await store.send(1, 'slow');
    await store.send(10);
    await ledgerBecomes(store, ledgerOf(20, 0, 0, 1));
    const letters = await store.deadLetters();
    expect(letters).toMatchObject([{ event_id: 'slow-10', reason: 'too_slow' }]);
    expect(letters[0]?.detail).toContain('raise the bound on a transaction');
  });
});

describe('an effect with a unique constraint of its own', () => {
  it('does not turn the fault of one message into a defect of the store', async () => {
    await store.sql('CREATE TABLE public.seen (payload text PRIMARY KEY)');
    await store.addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await store.start({
      afterStoring: async (fresh, transaction) => {
        const payloads = fresh.map(({ event }) => event.payload);
        await transaction.query('INSERT INTO public.seen SELECT unnest($1::text[])', [payloads]);
      },
    });
    await store.send(1, 'good', '{"n":1}');
    await ledgerBecomes(store, ledgerOf(1));
    await store.send(1, 'bad', '{"n":2}');
    await store.send(1, 'good', '{"n":3}');
    await ledgerBecomes(store, ledgerOf(2, 0, 0, 1));
    expect(await store.deadLetters()).toMatchObject([{ event_id: 'bad-1', reason: 'effect_failed' }]);
  });
});
