/** What hits every message is no message's fault: it is waited for. What fails for one alone: message-faults.int.spec.ts. */
import { randomBytes } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConsumerEvent } from '#idempotent-consumer';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  type ConsumerFixture,
  type ConsumerFixtureOptions,
  ledgerBecomes,
  ledgerOf,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestSystem;
let consumer: ConsumerFixture | undefined;
let told: ConsumerEvent[] = [];
let sent = 0;

beforeEach(async () => {
  system = await createTestSystem({ ackWaitMs: 10_000 });
  sent = 0;
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
  await system.dispose();
});

async function start(options: ConsumerFixtureOptions = {}, postgresUrl?: string): Promise<void> {
  told = [];
  consumer = await startConsumer(
    { ...system.environment, ...(postgresUrl !== undefined && { SEKALI_POSTGRES_URL: postgresUrl }) },
    { ...options, observe: (event) => void told.push(event) },
  );
}

async function send(count: number, prefix = 'good', payload?: string): Promise<void> {
  for (let n = 0; n < count; n++) {
    await publishEvent(system, { id: `${prefix}-${sent++}`, ...(payload !== undefined && { payload }) });
  }
}

async function hasTold(type: ConsumerEvent['type'], withinMs = 30_000): Promise<void> {
  await waitFor(() => told.some((event) => event.type === type), {
    timeoutMs: withinMs,
    describe: `"${type}" is told`,
  });
}

/** Runs statements of one who owns the database. */
async function sql(...statements: readonly string[]): Promise<void> {
  for (const statement of statements) await system.pool.query(statement);
}

/** A trigger on the stored events. @param body PL/pgSQL that runs for each of them */
async function addTrigger(body: string, condition = 'true'): Promise<void> {
  await sql(
    `CREATE FUNCTION sekali.disturb() RETURNS trigger LANGUAGE plpgsql AS
      $$ BEGIN IF ${condition} THEN ${body}; END IF; RETURN NEW; END $$`,
    'CREATE TRIGGER disturb BEFORE INSERT ON sekali.event FOR EACH ROW EXECUTE FUNCTION sekali.disturb()',
  );
}

const dropTrigger = 'DROP TRIGGER disturb ON sekali.event';

async function deadLetters(): Promise<{ event_id: string | null; reason: string; detail: string }[]> {
  const { rows } = await system.pool.query<{ event_id: string | null; reason: string; detail: string }>(
    'SELECT event_id, reason, detail FROM sekali.dead_letter ORDER BY seq',
  );
  return rows;
}

async function longerThan(ms: number): Promise<void> {
  const sinceMs = performance.now();
  await waitFor(() => performance.now() - sinceMs > ms, {
    timeoutMs: ms + 30_000,
    describe: `${ms} ms to pass`,
  });
}

/** Waits until the consumer has had time to give something up, were it to, then expects that it has given up nothing. */
async function expectNothingGivenUp(): Promise<void> {
  await hasTold('defect-began');
  // Three attempts with their delays take less.
  await longerThan(1_500);
  expect(await deadLetters()).toEqual([]);
}

/** Everything sent is stored once, and nothing of the defect is left. */
async function expectWholeAgain(): Promise<void> {
  await ledgerBecomes(system, ledgerOf(sent));
  expect((await system.pool.query('SELECT * FROM sekali.attempt')).rows).toEqual([]);
  await hasTold('defect-ended');
}

interface Defect {
  readonly name: string;
  readonly begin: () => Promise<void>;
  readonly end: () => Promise<void>;
}

const defects: readonly Defect[] = [
  {
    name: 'a column has another name',
    begin: () => sql('ALTER TABLE sekali.event RENAME COLUMN source TO src'),
    end: () => sql('ALTER TABLE sekali.event RENAME COLUMN src TO source'),
  },
  {
    name: 'a column was added that nobody fills',
    begin: () =>
      sql(
        'ALTER TABLE sekali.event ADD COLUMN tenant text',
        'ALTER TABLE sekali.event ADD CONSTRAINT tenant_known CHECK (tenant IS NOT NULL) NOT VALID',
      ),
    end: () => sql('ALTER TABLE sekali.event DROP COLUMN tenant'),
  },
  {
    name: 'a column has another type',
    begin: () =>
      sql(
        `ALTER TABLE sekali.event ALTER COLUMN source TYPE integer USING 0`,
        `CREATE FUNCTION sekali.to_number(text) RETURNS integer LANGUAGE sql AS 'SELECT $1::integer'`,
        'CREATE CAST (text AS integer) WITH FUNCTION sekali.to_number(text) AS ASSIGNMENT',
      ),
    end: () =>
      sql(
        'DROP CAST (text AS integer)',
        `ALTER TABLE sekali.event ALTER COLUMN source TYPE text COLLATE "C" USING 'was a number'`,
      ),
  },
  {
    name: 'a trigger raises',
    begin: () => addTrigger(`RAISE EXCEPTION 'not today'`),
    end: () => sql(dropTrigger),
  },
  {
    name: 'a table of the inbox has another name',
    begin: () => sql('ALTER TABLE sekali.counter RENAME TO counted'),
    end: () => sql('ALTER TABLE sekali.counted RENAME TO counter'),
  },
  {
    name: 'a trigger refuses at the commit',
    begin: () =>
      sql(
        `CREATE FUNCTION sekali.disturb() RETURNS trigger LANGUAGE plpgsql AS
          $$ BEGIN RAISE EXCEPTION 'not at the end' USING ERRCODE = 'check_violation'; END $$`,
        `CREATE CONSTRAINT TRIGGER disturb AFTER INSERT ON sekali.event_key DEFERRABLE INITIALLY DEFERRED
          FOR EACH ROW EXECUTE FUNCTION sekali.disturb()`,
      ),
    end: () => sql('DROP TRIGGER disturb ON sekali.event_key'),
  },
];

describe('a defect of the store', () => {
  it.each(defects)('is waited for when $name, in batches', async ({ begin, end }) => {
    await start();
    await send(3);
    await ledgerBecomes(system, ledgerOf(3));
    await begin();
    await send(40);
    await expectNothingGivenUp();
    await end();
    await expectWholeAgain();
  });

  it.each(defects.slice(0, 2))(
    'is waited for when $name, for an event that comes alone',
    async ({ begin, end }) => {
      await start();
      await send(1);
      await ledgerBecomes(system, ledgerOf(1));
      await begin();
      await send(1);
      await expectNothingGivenUp();
      await end();
      await expectWholeAgain();
    },
  );

  it.each([1, 40])('is waited for by a process that has stored nothing yet (%i events)', async (count) => {
    await sql('ALTER TABLE sekali.event RENAME COLUMN source TO src');
    await send(count);
    await start();
    await expectNothingGivenUp();
    await sql('ALTER TABLE sekali.event RENAME COLUMN src TO source');
    await expectWholeAgain();
  });

  it('is waited for when a privilege is missing', async () => {
    const role = `worker_${randomBytes(5).toString('hex')}`;
    const url = new URL(system.postgresUrl);
    url.username = role;
    url.password = 'worker';
    await sql(
      `CREATE ROLE ${role} LOGIN PASSWORD 'worker'`,
      `GRANT USAGE ON SCHEMA sekali TO ${role}`,
      `GRANT ALL ON ALL TABLES IN SCHEMA sekali TO ${role}`,
    );
    try {
      await start({}, url.href);
      await send(3);
      await ledgerBecomes(system, ledgerOf(3));
      for (const table of ['event', 'event_key', 'counter', 'duplicate']) {
        told = [];
        await sql(`REVOKE INSERT ON sekali.${table} FROM ${role}`);
        await send(5);
        // A table that only repeats are written to stops repeats alone; new events are stored meanwhile.
        if (table !== 'duplicate') await expectNothingGivenUp();
        await sql(`GRANT INSERT ON sekali.${table} TO ${role}`);
        await ledgerBecomes(system, ledgerOf(sent));
      }
    } finally {
      await consumer?.stop();
      consumer = undefined;
      await sql(`DROP OWNED BY ${role}`, `DROP ROLE ${role}`);
    }
  });

  it('is waited for by repeats when they alone cannot be recorded', async () => {
    await start();
    await publishEvent(system, { id: 'a' });
    await ledgerBecomes(system, ledgerOf(1));
    await sql('ALTER TABLE sekali.duplicate RENAME COLUMN conflict TO conflicting');
    await publishEvent(system, { id: 'a' });
    await publishEvent(system, { id: 'b' });
    await expectNothingGivenUp();
    await sql('ALTER TABLE sekali.duplicate RENAME COLUMN conflicting TO conflict');
    await ledgerBecomes(system, ledgerOf(2, 1));
  });

  it('does not keep good events from being stored when dead letters cannot be written', async () => {
    await start({ settings: { batchWaitMs: 50 } });
    await sql('ALTER TABLE sekali.dead_letter RENAME COLUMN detail TO details');
    await publishEvent(system, { id: 'bad', payload: '[]' });
    await publishEvent(system, { id: 'worse', payload: '[]' });
    await send(5);
    await waitFor(async () => (await readLedger(system.pool)).stored === 5, {
      timeoutMs: 30_000,
      describe: 'the good events are stored',
    });
    await sql('ALTER TABLE sekali.dead_letter RENAME COLUMN details TO detail');
    await ledgerBecomes(system, ledgerOf(5, 0, 0, 2));
  });

  it('does not have what it made wait given up as what ends the process', async () => {
    await start({ settings: { isolateAfterDeliveries: 0, attemptsMax: 2 } });
    await send(1);
    await ledgerBecomes(system, ledgerOf(1));
    await addTrigger(`RAISE EXCEPTION 'not today'`);
    await send(2);
    for (let restarts = 0; restarts < 4; restarts++) {
      await hasTold('defect-began');
      await consumer?.stop();
      await start({ settings: { isolateAfterDeliveries: 0, attemptsMax: 2 } });
    }
    await expectNothingGivenUp();
    await sql(dropTrigger);
    await expectWholeAgain();
  });
});

describe('time-outs', () => {
  const settings = {
    transactionMsMax: 1_000,
    batchWaitMs: 50,
    batchSize: 100,
    isolateAfterDeliveries: 1_000,
  };

  it('of an effect that pauses in its transaction are that event’s own as well', async () => {
    await start({
      settings,
      afterStoring: async (fresh) => {
        if (fresh.some(({ eventId }) => eventId.startsWith('slow'))) await longerThan(2_500);
      },
    });
    await send(5);
    await send(1, 'slow');
    await ledgerBecomes(system, ledgerOf(5, 0, 0, 1));
    expect(await deadLetters()).toMatchObject([{ event_id: 'slow-5', reason: 'too_slow' }]);
  });

  it('of eight events leave room for all others', async () => {
    await addTrigger('PERFORM pg_sleep(20)', `NEW.event_id LIKE 'slow%'`);
    await start({ settings: { ...settings, transactionMsMax: 2_000, batchesInFlight: 2 } });
    await send(1);
    await ledgerBecomes(system, ledgerOf(1));
    for (let n = 0; n < 8; n++) {
      await send(1, 'slow');
      // Each in a batch of its own.
      await longerThan(100);
    }
    await send(5);
    await waitFor(async () => (await readLedger(system.pool)).stored === 6, {
      timeoutMs: 40_000,
      describe: 'the good events are stored',
    });
    // They were not behind all attempts of the slow ones: most of those are still to come.
    expect((await deadLetters()).length).toBeLessThan(8);
    await ledgerBecomes(system, ledgerOf(6, 0, 0, 8), 120_000);
  }, 180_000);

  it('of every event mean a slow database, which is waited for', async () => {
    await start({ settings });
    await send(1);
    await ledgerBecomes(system, ledgerOf(1));
    await addTrigger('PERFORM pg_sleep(20)');
    await send(12);
    await expectNothingGivenUp();
    await sql(dropTrigger);
    await expectWholeAgain();
  });
});
