/** A consumer without Nest, on a real broker and a real Postgres. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/nats-core';
import pg from 'pg';
import { z } from 'zod';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { ConsumerFigures } from '../consumer-figures.js';
import type { DataLayer } from '../data-layer.js';
import type { ConsumerEvent } from '../outcome.js';
import { ownInboxes } from '../own-inboxes.js';
import { Poison } from '../verdict.js';
import { type ConsumerOptions, createConsumer, type EventConsumer } from './create-consumer.js';

const Payment = z.object({ account: z.string(), amount: z.number() });
type Payment = z.infer<typeof Payment>;

const ADD = `
INSERT INTO public.balance VALUES ($1, $2)
ON CONFLICT (account) DO UPDATE SET amount = balance.amount + EXCLUDED.amount`;
const KEEP = 'INSERT INTO public.kept VALUES ($1)';

function balancesOn(connection: NatsConnection, pool: pg.Pool, stream: string): EventConsumer {
  return createConsumer({
    connection,
    pool,
    stream,
    name: 'balances',
    schema: Payment,
    handler: async ({ account, amount }, { transaction }) => {
      await transaction.query(ADD, [account, amount]);
    },
  });
}

let system: TestSystem;
let pool: pg.Pool;
let running: EventConsumer[];

beforeEach(async () => {
  system = await createTestSystem();
  pool = new pg.Pool({ connectionString: system.postgresUrl, max: 8 });
  pool.on('error', () => undefined);
  running = [];
  await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
  await system.pool.query('CREATE TABLE public.balance (account text PRIMARY KEY, amount bigint NOT NULL)');
});

afterEach(async () => {
  for (const consumer of running) await consumer.stop();
  await pool.end();
  await system.dispose();
});

async function publish(id: string, body: unknown, subject = 'payments'): Promise<void> {
  const text = JSON.stringify(body);
  await jetstream(system.connection).publish(`${system.subjectPrefix}.${subject}`, text, { msgID: id });
}

const pay = (amount: unknown): object => ({ account: 'x', amount });

/** The options that every consumer has here. */
function at(): Pick<ConsumerOptions, 'connection' | 'pool' | 'stream'> {
  return { connection: system.connection, pool, stream: system.streamName };
}

async function start(consumer: EventConsumer): Promise<EventConsumer> {
  running.push(consumer);
  await consumer.start();
  return consumer;
}

async function kept(): Promise<string[]> {
  const { rows } = await system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
  return rows.map(({ id }) => id);
}

async function keptBecomes(...ids: readonly string[]): Promise<void> {
  await waitFor(async () => (await kept()).length >= ids.length, {
    timeoutMs: 20_000,
    describe: `${ids.length} ids to be kept`,
  });
  expect(await kept()).toEqual(ids);
}

describe('a consumer without Nest', () => {
  it('adds each payment once, although all are delivered again, and creates what it needs', async () => {
    const { connection, streamName, pool: database } = system;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const settledBecomes = async (seq: number): Promise<void> => {
      await waitFor(
        async () => (await manager.consumers.info(streamName, 'balances')).ack_floor.stream_seq === seq,
        { timeoutMs: 20_000, describe: `${seq} messages to be settled` },
      );
    };
    for (const [id, amount] of [
      ['a', 5],
      ['b', 2],
      ['c', 3],
    ] as const)
      await publish(id, pay(amount));
    const first = await start(balancesOn(connection, pool, streamName));
    await settledBecomes(3);
    await first.stop();
    await manager.consumers.reset(streamName, 'balances', 1);
    await publish('d', pay(4));
    await start(balancesOn(connection, pool, streamName));
    await settledBecomes(4);
    const { delivered } = await manager.consumers.info(streamName, 'balances');
    expect(delivered.consumer_seq).toBeGreaterThanOrEqual(4);
    const { rows } = await database.query('SELECT account, amount::int FROM balance');
    expect(rows).toEqual([{ account: 'x', amount: 14 }]);
  });

  it('calls its handler with what the schema returns, and applies each event once', async () => {
    const events: ConsumerEvent[] = [];
    const figures = new ConsumerFigures((event) => void events.push(event));
    const consumer = createConsumer({
      ...{ ...at(), name: 'balances', schema: Payment, observe: figures.observe },
      handler: async ({ amount }, { transaction, event }) => {
        await transaction.query(KEEP, [event.eventId]);
        if (amount < 0) throw new Poison('negative_amount');
      },
    });
    await publish('a', pay(1));
    await publish('wrong', pay('two'));
    await publish('negative', pay(-1));
    await start(consumer);
    await publish('b', pay(2));
    await keptBecomes('a', 'b');
    await waitFor(() => figures.counts.deadLetters === 2, { timeoutMs: 20_000, describe: 'dead letters' });
    const reasons = events.flatMap((event) => (event.type === 'dead-letter' ? [event.reason] : []));
    expect(reasons.sort()).toEqual(['negative_amount', 'schema_mismatch']);
    await waitFor(() => consumer.health().state === 'idle', { timeoutMs: 20_000, describe: 'no event held' });
  });

  it('gives many events in one call, and a data layer on the same transaction, where it is asked for them', async () => {
    const sizes: number[] = [];
    const dataLayer: DataLayer<{ keep(id: string): Promise<unknown> }> = (transaction) => ({
      keep: (id) => transaction.query(KEEP, [id]),
    });
    for (let n = 0; n < 30; n++) await publish(`e${10 + n}`, pay(n));
    const consumer = createConsumer({
      ...{ ...at(), name: 'totals', schema: Payment, dataLayer },
      batch: true,
      handler: async (events, { manager }) => {
        sizes.push(events.length);
        for (const { eventId } of events) await manager.keep(eventId);
      },
    });
    await start(consumer);
    await keptBecomes(...Array.from({ length: 30 }, (_, n) => `e${10 + n}`));
    expect(Math.max(...sizes)).toBeGreaterThan(1);
  });

  it('hands back what it has not begun when it stops, and another one goes on', async () => {
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let calls = 0;
    const options: ConsumerOptions<Payment> = {
      ...{ ...at(), name: 'balances', settings: { batchSize: 1, batchesInFlight: 1 } },
      handler: async (_payment, { transaction, event }) => {
        calls += 1;
        await released;
        await transaction.query(KEEP, [event.eventId]);
      },
    };
    for (const id of ['a', 'b', 'c']) await publish(id, pay(1));
    const first = await start(createConsumer(options));
    await waitFor(() => calls === 1, { timeoutMs: 20_000, describe: 'the first call' });
    const stopping = first.stop();
    release();
    await stopping;
    expect(await kept()).toHaveLength(1);
    await expect(first.start()).rejects.toThrow('this consumer was started before: create another one');
    await start(createConsumer(options));
    await keptBecomes('a', 'b', 'c');
  });

  it('is delivered the subjects of its handler alone, written without what all subjects begin with', async () => {
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    await publish('other', {}, 'orders');
    await publish('a', {}, 'payments.card');
    const consumer = createConsumer({
      ...{ ...at(), name: 'balances', subjects: 'payments.>', subjectPrefix: system.subjectPrefix },
      handler: async (_payment, { transaction, event }) => {
        await transaction.query(KEEP, [event.eventId]);
      },
    });
    await start(consumer);
    await keptBecomes('a');
    const { config, delivered } = await manager.consumers.info(system.streamName, 'balances');
    expect(config.filter_subject).toBe(`${system.subjectPrefix}.payments.>`);
    expect(delivered.consumer_seq).toBe(1);
  });

  it('keeps its inbox where ownInboxes says', async () => {
    const consumer = createConsumer({
      ...{ ...at(), ...ownInboxes({ ...at(), schema: 'mine' }), name: 'balances' },
      handler: async (_payment, { transaction, event }) => {
        await transaction.query(KEEP, [event.eventId]);
      },
    });
    await publish('a', {});
    await start(consumer);
    await keptBecomes('a');
    const { rows } = await system.pool.query('SELECT event_id FROM mine.balances_key');
    expect(rows).toEqual([{ event_id: 'a' }]);
  });
});

describe('wrong options of a consumer without Nest', () => {
  const handler = (): void => undefined;

  it('are refused before anything is consumed, all in one error', () => {
    const options = {
      ...at(),
      name: 'a b',
      onUnmatched: 'ack' as const,
      settings: { attemptsMax: 0 },
      handler,
    };
    expect(() => createConsumer(options)).toThrow(
      /^The options of the consumers are wrong:\n {2}attemptsMax is 0.*\n {2}"a b" cannot name.*\n {2}"a b" cannot name an inbox.*\n {2}handler "a b" has onUnmatched/,
    );
  });

  it('are noticed when consumers that share a pool need more connections than it has', async () => {
    await start(createConsumer({ ...at(), name: 'one', handler }));
    const second = await start(createConsumer({ ...at(), name: 'two', handler }));
    const third = createConsumer({ ...at(), name: 'three', handler });
    await expect(third.start()).rejects.toThrow(
      'pool has 8 connections; the consumers that share it need 12, or a slow one starves another',
    );
    await second.stop();
    await start(createConsumer({ ...at(), name: 'four', handler }));
    expect(running.map((consumer) => consumer.health().state)).toEqual(['idle', 'disconnected', 'idle']);
  });
});
