/** The judged worker keeps its accounts. With a sabotage, it has exactly the fault that it claims. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { type App, createTestSystem, startApp, type TestSystem, waitFor } from '#testing';
import {
  ledgerBecomes,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  readLedger,
  unsettled,
} from '../src/test/consumer-fixture.js';

let system: TestSystem;
const workers: App[] = [];

beforeEach(async () => {
  // Batches wait for more messages, so that those that exist at the start become one batch.
  system = await createTestSystem({ ackWaitMs: 3_000, settings: { SEKALI_BATCH_WAIT_MS: '300' } });
});

afterEach(async () => {
  for (const worker of workers.splice(0)) worker.kill('SIGKILL');
  await system.dispose();
});

async function startJudged(sabotage?: string, untilReady = true): Promise<App> {
  const worker = await startApp('worker', system.environment, {
    program: 'judged/judged-worker.js',
    programArguments: sabotage === undefined ? [] : [sabotage],
    untilReady,
  });
  workers.push(worker);
  return worker;
}

/** Publishes events with the amounts 1, 2, 3 … */
async function send(count: number): Promise<void> {
  for (let n = 1; n <= count; n++) await publishEvent(system, { id: `e${n}`, payload: `{"amount":${n}}` });
}

async function sendPoison(): Promise<void> {
  await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, '{not json');
}

/** Reads the accounts as the judge does. */
async function accounts(): Promise<unknown[]> {
  const { rows } = await system.pool.query<{ topic: string; sum: number; events: number }>(
    'SELECT topic, sum(amount)::int AS sum, sum(events)::int AS events FROM chaos.account GROUP BY topic ORDER BY topic',
  );
  return rows;
}

async function accountsSettled(count: number): Promise<void> {
  await waitFor(
    async () => {
      const { rows } = await system.pool.query<{ settled: number }>(
        'SELECT sum(stored + duplicates + dead_letters)::int AS settled FROM sekali.accounts_counter',
      );
      return rows[0]?.settled === count;
    },
    { timeoutMs: 40_000, describe: `${count} messages settled for the accounts` },
  );
}

/** Blocks every batch of the store at its claim, long before its COMMIT is sent, while `work` runs. */
async function beforeTheCommit(work: () => Promise<void>): Promise<void> {
  const client = await system.pool.connect();
  try {
    await client.query('BEGIN; LOCK TABLE sekali.event_key IN EXCLUSIVE MODE');
    await work();
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

async function killed(worker: App): Promise<void> {
  worker.kill('SIGKILL');
  await worker.exited;
}

describe('the judged worker', () => {
  it('stores events and adds their amounts once, also when two start at the same time', async () => {
    await send(20);
    await send(20);
    await publishEvent(system, { topic: 'odd', id: 'none', payload: '{}' });
    await publishEvent(system, { topic: 'odd', id: 'half', payload: '{"amount":0.5}' });
    await publishEvent(system, { topic: 'odd', id: 'text', payload: '{"amount":"7"}' });
    await publishEvent(system, { topic: 'odd', id: 'whole', payload: '{"amount":7}' });
    await Promise.all([startJudged(), startJudged()]);
    await ledgerBecomes(system, ledgerOf(24, 20));
    await accountsSettled(44);
    expect(await accounts()).toEqual([
      { topic: 'odd', sum: 7, events: 4 },
      { topic: 'orders', sum: 210, events: 20 },
    ]);
  });

  it('neither loses nor repeats an event when it is killed before the commit', async () => {
    await send(5);
    const worker = await startJudged();
    await beforeTheCommit(async () => {
      await send(10);
      await accountsSettled(15);
      expect((await readLedger(system.pool)).events).toBeLessThanOrEqual(5);
      expect(await unsettled(system)).toBeGreaterThanOrEqual(10);
      await killed(worker);
    });
    await startJudged();
    await ledgerBecomes(system, ledgerOf(10, 5));
    expect(await accounts()).toEqual([{ topic: 'orders', sum: 55, events: 10 }]);
  });

  it('with ack-before-commit loses what it had not committed when it is killed', async () => {
    await send(10);
    await beforeTheCommit(async () => {
      const worker = await startJudged('ack-before-commit');
      await nothingUnsettled(system);
      await killed(worker);
    });
    const again = await startJudged('ack-before-commit');
    await publishEvent(system, { id: 'later' });
    await ledgerBecomes(system, ledgerOf(1));
    expect(await unsettled(system)).toBe(0);
    await killed(again);
    // A correct worker notices the loss, and has the messages delivered again.
    await startJudged();
    await ledgerBecomes(system, ledgerOf(11));
  });

  it('with effect-outside-transaction repeats an effect when it is killed before the commit', async () => {
    await send(10);
    await beforeTheCommit(async () => {
      const worker = await startJudged('effect-outside-transaction');
      await waitFor(async () => (await readLedger(system.pool)).events === 10, {
        timeoutMs: 20_000,
        describe: 'the effect without its commit',
      });
      expect((await readLedger(system.pool)).stored).toBe(0);
      await killed(worker);
    });
    await startJudged();
    await ledgerBecomes(system, { ...ledgerOf(10), events: 20 });
  });

  it('with no-inbox repeats an effect for every repeated event and every redelivery', async () => {
    await send(4);
    await send(4);
    await Promise.all([startJudged('no-inbox'), startJudged('no-inbox')]);
    await ledgerBecomes(system, ledgerOf(8));
    await accountsSettled(8);
    expect(await accounts()).toEqual([{ topic: 'orders', sum: 20, events: 8 }]);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    await manager.consumers.reset(system.streamName, 'accounts', 1);
    await accountsSettled(16);
    expect(await accounts()).toEqual([{ topic: 'orders', sum: 40, events: 16 }]);
  });

  it('with drop-bad-batch loses the neighbours of a message that cannot be read', async () => {
    await send(3);
    await sendPoison();
    await publishEvent(system, { id: 'e4' });
    await startJudged('drop-bad-batch');
    await nothingUnsettled(system);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(0));
    await publishEvent(system, { id: 'later' });
    await ledgerBecomes(system, ledgerOf(1));
  });

  it('ends with 2 for an unknown sabotage, and lists the known ones', async () => {
    const worker = await startJudged('ack-never', false);
    expect(await worker.exited).toMatchObject({ code: 2 });
    expect(worker.output()).toBe(
      'judged-worker: "ack-never" is not a sabotage; there are ack-before-commit, effect-outside-transaction, no-inbox, drop-bad-batch, believe-sequences, late-keys, forgetful-filters\n',
    );
  });
});
