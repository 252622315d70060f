/** What fails for one message alone is that one's fault; what fails for all is waited for: store-defects.slow.int.spec.ts. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { ConsumerEvent } from '#idempotent-consumer';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  type ConsumerFixture,
  type ConsumerFixtureOptions,
  ledgerBecomes,
  ledgerOf,
  publishEvent,
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

async function start(options: ConsumerFixtureOptions = {}): Promise<void> {
  told = [];
  consumer = await startConsumer(system.environment, {
    ...options,
    observe: (event) => void told.push(event),
  });
}

async function send(count: number, prefix = 'good', payload?: string): Promise<void> {
  for (let n = 0; n < count; n++) {
    await publishEvent(system, { id: `${prefix}-${sent++}`, ...(payload !== undefined && { payload }) });
  }
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

/** Waits until the consumer has had time to give something up, were it to, then expects that it has given up nothing. */
async function expectNothingGivenUp(): Promise<void> {
  await waitFor(() => told.some(({ type }) => type === 'defect-began'), {
    timeoutMs: 30_000,
    describe: 'the defect to be noticed',
  });
  const sinceMs = performance.now();
  // Three attempts with their delays take less.
  await waitFor(() => performance.now() - sinceMs > 1_500, {
    timeoutMs: 30_000,
    describe: '1,500 ms to pass',
  });
  expect(await deadLetters()).toEqual([]);
}

describe('a defect of the store', () => {
  it('is waited for: no event is given up for it, and all are stored once it is over', async () => {
    await start();
    await send(3);
    await ledgerBecomes(system, ledgerOf(3));
    await addTrigger(`RAISE EXCEPTION 'not today'`);
    await send(40);
    await expectNothingGivenUp();
    await sql(dropTrigger);
    await ledgerBecomes(system, ledgerOf(43));
  });
});

describe('the fault of one message', () => {
  it('is its own when a trigger raises for it alone; its neighbours are stored', async () => {
    await addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await start({ settings: { batchWaitMs: 50, isolateAfterDeliveries: 1_000 } });
    await send(20);
    await send(1, 'bad');
    await send(20);
    await ledgerBecomes(system, ledgerOf(40, 0, 0, 1));
    expect(await deadLetters()).toMatchObject([{ event_id: 'bad-20', reason: 'effect_failed' }]);
  });

  it('is its own when the process had stored nothing before, as soon as another event was stored', async () => {
    await addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await send(1, 'bad');
    await start();
    await expectNothingGivenUp();
    await send(1);
    await ledgerBecomes(system, ledgerOf(1, 0, 0, 1));
  });

  it('is their own when a whole batch of them is refused for what each of them holds', async () => {
    await sql(
      `ALTER TABLE sekali.event ADD CONSTRAINT sober CHECK (payload->>'bad' IS NULL OR payload->>'bad' <> 'yes') NOT VALID`,
    );
    await start({ settings: { batchSize: 10, batchWaitMs: 50 } });
    await send(2);
    await send(30, 'bad', '{"bad":"yes"}');
    await send(2);
    await ledgerBecomes(system, ledgerOf(4, 0, 0, 30));
    expect(new Set((await deadLetters()).map(({ reason }) => reason))).toEqual(new Set(['refused_by_store']));
  });

  it('is judged by other events where a new constraint refuses the one that was good', async () => {
    await start({ settings: { batchWaitMs: 50 } });
    await send(1);
    await ledgerBecomes(system, ledgerOf(1));
    await sql(`ALTER TABLE sekali.event ADD CONSTRAINT marked CHECK (payload->>'mark' = 'yes') NOT VALID`);
    await send(1, 'bad', '{"mark":"no"}');
    await send(20, 'good', '{"mark":"yes"}');
    await ledgerBecomes(system, ledgerOf(21, 0, 0, 1));
  });

  it('is its own when it is too slow alone: a dead letter says which bound to raise, and its neighbours are stored', async () => {
    await addTrigger('PERFORM pg_sleep(20)', `NEW.event_id LIKE 'slow%'`);
    await start({
      settings: { transactionMsMax: 1_000, batchWaitMs: 50, batchSize: 100, isolateAfterDeliveries: 1_000 },
    });
    await send(10);
    await send(1, 'slow');
    await send(10);
    await ledgerBecomes(system, ledgerOf(20, 0, 0, 1));
    const letters = await deadLetters();
    expect(letters).toMatchObject([{ event_id: 'slow-10', reason: 'too_slow' }]);
    expect(letters[0]?.detail).toContain('raise the bound on a transaction');
  });
});

describe('an effect with a unique constraint of its own', () => {
  it('does not make the good message look like a defect: what fails alone is given up', async () => {
    await sql('CREATE TABLE public.seen (payload text PRIMARY KEY)');
    await addTrigger(`RAISE EXCEPTION 'not this one'`, `NEW.event_id LIKE 'bad%'`);
    await start({
      afterStoring: async (fresh, transaction) => {
        const payloads = fresh.map(({ event }) => event.payload);
        await transaction.query('INSERT INTO public.seen SELECT unnest($1::text[])', [payloads]);
      },
    });
    await send(1, 'good', '{"n":1}');
    await ledgerBecomes(system, ledgerOf(1));
    await send(1, 'bad', '{"n":2}');
    await send(1, 'good', '{"n":3}');
    await ledgerBecomes(system, ledgerOf(2, 0, 0, 1));
    expect(await deadLetters()).toMatchObject([{ event_id: 'bad-1', reason: 'effect_failed' }]);
  });
});
