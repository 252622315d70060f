/** The consumer waits for failures that hit every message. Failures of one message: message-faults.int.spec.ts. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { waitFor } from '#testing';
import { ledgerBecomes, ledgerOf, publishEvent, readLedger } from './test/consumer-fixture.js';
import { expectNothingGivenUp, longerThan, StoreFixture } from './test/store-fixture.js';

let store: StoreFixture;

beforeEach(async () => {
  store = await StoreFixture.create();
});

afterEach(async () => {
  await store.dispose();
});

/** Expects that every event is stored once, and that no trace of the defect is left. */
async function expectWholeAgain(): Promise<void> {
  await ledgerBecomes(store, ledgerOf(store.sent));
  expect((await store.pool.query('SELECT * FROM sekali.attempt')).rows).toEqual([]);
  await store.reported('defect-ended');
}

interface Defect {
  readonly name: string;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

const defects: readonly Defect[] = [
  {
    name: 'a column has another name',
    begin: () => store.sql('ALTER TABLE sekali.event RENAME COLUMN source TO src'),
    end: () => store.sql('ALTER TABLE sekali.event RENAME COLUMN src TO source'),
  },
  {
    name: 'a required column was added that the worker does not fill',
    begin: () =>
      store.sql(
        'ALTER TABLE sekali.event ADD COLUMN tenant text',
        'ALTER TABLE sekali.event ADD CONSTRAINT tenant_known CHECK (tenant IS NOT NULL) NOT VALID',
      ),
    end: () => store.sql('ALTER TABLE sekali.event DROP COLUMN tenant'),
  },
  {
    name: 'a column has another type',
    begin: () =>
      store.sql(
        // Postgres changes no type of a column that a view shows.
        'DROP VIEW sekali.events',
        `ALTER TABLE sekali.event ALTER COLUMN source TYPE integer USING 0`,
        `CREATE FUNCTION sekali.to_number(text) RETURNS integer LANGUAGE sql AS 'SELECT $1::integer'`,
        'CREATE CAST (text AS integer) WITH FUNCTION sekali.to_number(text) AS ASSIGNMENT',
      ),
    end: () =>
      store.sql(
        'DROP CAST (text AS integer)',
        `ALTER TABLE sekali.event ALTER COLUMN source TYPE text COLLATE "C" USING 'was a number'`,
      ),
  },
  {
    name: 'a trigger raises',
    begin: () => store.addTrigger(`RAISE EXCEPTION 'not today'`),
    end: () => store.dropTrigger(),
  },
  {
    name: 'a table of the inbox has another name',
    begin: () => store.sql('ALTER TABLE sekali.counter RENAME TO counted'),
    end: () => store.sql('ALTER TABLE sekali.counted RENAME TO counter'),
  },
  {
    name: 'a trigger refuses at the commit',
    begin: () =>
      store.sql(
        `CREATE FUNCTION sekali.disturb() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'not at the end' USING ERRCODE = 'check_violation'; END $$`,
        `CREATE CONSTRAINT TRIGGER disturb AFTER INSERT ON sekali.event_key DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION sekali.disturb()`,
      ),
    end: () => store.sql('DROP TRIGGER disturb ON sekali.event_key'),
  },
];

describe('a defect of the store', () => {
  it.each(defects)('is waited for when $name, in batches', async ({ begin, end }) => {
    await store.start();
    await store.send(3);
    await ledgerBecomes(store, ledgerOf(3));
    await begin();
    await store.send(40);
    await expectNothingGivenUp(store);
    await end();
    await expectWholeAgain();
  });

  it.each(defects.slice(0, 2))(
    'is waited for when $name, for an event that comes alone',
    async ({ begin, end }) => {
      await store.start();
      await store.send(1);
      await ledgerBecomes(store, ledgerOf(1));
      await begin();
      await store.send(1);
      await expectNothingGivenUp(store);
      await end();
      await expectWholeAgain();
    },
  );

  it.each([1, 40])(
    'is waited for by a process that has stored nothing yet, with %i events',
    async (count) => {
      await store.sql('ALTER TABLE sekali.event RENAME COLUMN source TO src');
      await store.send(count);
      await store.start();
      await expectNothingGivenUp(store);
      await store.sql('ALTER TABLE sekali.event RENAME COLUMN src TO source');
      await expectWholeAgain();
    },
  );

  it('is waited for when a privilege is missing', async () => {
    const role = `worker_${randomBytes(5).toString('hex')}`;
    const url = new URL(store.system.postgresUrl);
    url.username = role;
    url.password = 'worker';
    await store.sql(
      `CREATE ROLE ${role} LOGIN PASSWORD 'worker'`,
      `GRANT USAGE ON SCHEMA sekali TO ${role}`,
      `GRANT ALL ON ALL TABLES IN SCHEMA sekali TO ${role}`,
    );
    try {
      await store.start({}, url.href);
      await store.send(3);
      await ledgerBecomes(store, ledgerOf(3));
      for (const table of ['event', 'event_key', 'counter', 'duplicate']) {
        store.observed = [];
        await store.sql(`REVOKE INSERT ON sekali.${table} FROM ${role}`);
        await store.send(5);
        // Only duplicates are written to this table, so new events are stored meanwhile.
        if (table !== 'duplicate') await expectNothingGivenUp(store);
        await store.sql(`GRANT INSERT ON sekali.${table} TO ${role}`);
        await ledgerBecomes(store, ledgerOf(store.sent));
      }
    } finally {
      await store.stop();
      await store.sql(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
    }
  });

  it('is waited for by duplicates when they alone cannot be recorded', async () => {
    await store.start();
    await publishEvent(store.system, { id: 'a' });
    await ledgerBecomes(store, ledgerOf(1));
    await store.sql('ALTER TABLE sekali.duplicate RENAME COLUMN conflict TO conflicting');
    await publishEvent(store.system, { id: 'a' });
    await publishEvent(store.system, { id: 'b' });
    await expectNothingGivenUp(store);
    await store.sql('ALTER TABLE sekali.duplicate RENAME COLUMN conflicting TO conflict');
    await ledgerBecomes(store, ledgerOf(2, 1));
  });

  it('does not prevent good events from being stored when dead letters cannot be written', async () => {
    await store.start({ settings: { batchWaitMs: 50 } });
    await store.sql('ALTER TABLE sekali.dead_letter RENAME COLUMN detail TO details');
    await publishEvent(store.system, { id: 'bad', payload: '[]' });
    await publishEvent(store.system, { id: 'worse', payload: '[]' });
    await store.send(5);
    await waitFor(async () => (await readLedger(store.pool)).stored === 5, {
      timeoutMs: 30_000,
      describe: 'the good events are stored',
    });
    await store.sql('ALTER TABLE sekali.dead_letter RENAME COLUMN details TO detail');
    await ledgerBecomes(store, ledgerOf(5, 0, 0, 2));
  });

  it('does not make waiting events look as if they had ended the process', async () => {
    await store.start({ settings: { isolateAfterDeliveries: 0, attemptsMax: 2 } });
    await store.send(1);
    await ledgerBecomes(store, ledgerOf(1));
    await store.addTrigger(`RAISE EXCEPTION 'not today'`);
    await store.send(2);
    for (let restarts = 0; restarts < 4; restarts++) {
      await store.reported('defect-began');
      await store.stop();
      await store.start({ settings: { isolateAfterDeliveries: 0, attemptsMax: 2 } });
    }
    await expectNothingGivenUp(store);
    await store.dropTrigger();
    await expectWholeAgain();
  });
});

describe('timeouts', () => {
  const settings = {
    transactionMsMax: 1_000,
    batchWaitMs: 50,
    batchSize: 100,
    isolateAfterDeliveries: 1_000,
  };

  it('of an effect that pauses in its transaction are the fault of that event', async () => {
    await store.start({
      settings,
      afterStoring: async (fresh) => {
        if (fresh.some(({ eventId }) => eventId.startsWith('slow'))) await longerThan(2_500);
      },
    });
    await store.send(5);
    await store.send(1, 'slow');
    await ledgerBecomes(store, ledgerOf(5, 0, 0, 1));
    expect(await store.deadLetters()).toMatchObject([{ event_id: 'slow-5', reason: 'too_slow' }]);
  });

  it('of eight events do not delay all others', async () => {
    await store.addTrigger('PERFORM pg_sleep(20)', `NEW.event_id LIKE 'slow%'`);
    await store.start({ settings: { ...settings, transactionMsMax: 2_000, batchesInFlight: 2 } });
    await store.send(1);
    await ledgerBecomes(store, ledgerOf(1));
    for (let n = 0; n < 8; n++) {
      await store.send(1, 'slow');
      // The pause gives each a batch of its own.
      await longerThan(100);
    }
    await store.send(5);
    await waitFor(async () => (await readLedger(store.pool)).stored === 6, {
      timeoutMs: 40_000,
      describe: 'the good events are stored',
    });
    // They did not wait for all attempts of the slow ones, most of which are still to come.
    expect((await store.deadLetters()).length).toBeLessThan(8);
    await ledgerBecomes(store, ledgerOf(6, 0, 0, 8), 120_000);
  }, 180_000);

  it('of every event mean a slow database, which the consumer waits for', async () => {
    await store.start({ settings });
    await store.send(1);
    await ledgerBecomes(store, ledgerOf(1));
    await store.addTrigger('PERFORM pg_sleep(20)');
    await store.send(12);
    await expectNothingGivenUp(store);
    await store.dropTrigger();
    await expectWholeAgain();
  });
});
