/**
 * A service that has this library, a pool and a connection, and nothing of the aggregator. It creates its
 * inboxes and its durable consumers by itself, whatever their names, and every effect happens once.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { Controller, type INestMicroservice, Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type MicroserviceOptions } from '@nestjs/microservices';
import pg from 'pg';
import { createTestSystem, type TestSystem, untilSettled, waitFor } from '#testing';
import type { Decoder } from './delivery.js';
import { InboxContext } from './inbox-context.js';
import { OncePerEvent } from './nest/once-per-event.js';
import { ErrorPassage, PullConsumerStrategy } from './nest/pull-consumer-strategy.js';
import type { Observer } from './outcome.js';
import { ownInboxes, type OwnInboxesOptions } from './own-inboxes.js';
import type { UpkeepOptions } from './postgres/own-upkeep.js';

/** Names that occur in the aggregator's tables, or in an inbox's own. */
const NAMES = ['event', 'api', 'broker', 'stream', 'counter', 'store', 'key', 'Mixed-case'];

const SETTINGS = {
  ...{ batchSize: 100, batchBytes: 8_000_000, batchWaitMs: 5, batchesInFlight: 2, prefetch: 400 },
  ...{ prefetchBytes: 32_000_000, isolateAfterDeliveries: 1_000, attemptsMax: 2, retryDelayMs: 50 },
};

let system: TestSystem;
let manager: JetStreamManager;
let services: { app: INestMicroservice; pool: pg.Pool }[];

beforeEach(async () => {
  system = await createTestSystem({ ackWaitMs: 4_000 });
  manager = await jetstreamManager(system.connection, { checkAPI: false });
  services = [];
  await system.pool.query('DROP SCHEMA sekali CASCADE');
  await system.pool.query('CREATE TABLE public.kept (consumer text NOT NULL, id text NOT NULL)');
});
afterEach(async () => {
  await stop();
  await system.dispose();
});

/** The subject's second token is the topic, and the body is the id. */
const decode: Decoder<string> = (delivery) => {
  const eventId = Buffer.from(delivery.data).toString();
  const topic = delivery.subject.split('.')[1] ?? '';
  return { ok: true, message: { delivery, topic, eventId, digest: 1n, event: eventId } };
};

/** Why sessions ended or did not begin. */
let lost: string[] = [];
const observe: Observer = (event) => {
  if (event.type === 'session-lost') lost.push(event.reason);
};

/** The other options of the transport. */
const others = { decode, settings: SETTINGS, comparisonOf: () => ({}), observerOf: () => observe };

/** A handler that keeps the id of each event. Nothing makes the ids unique, so a repeated effect shows. */
function keeperOf(consumer: string, subjects?: string | readonly string[]): Type {
  @Controller()
  class Keeper {
    @OncePerEvent(consumer, { ...(subjects !== undefined && { subjects }) })
    async keep(@Ctx() { transaction, event }: InboxContext<string>): Promise<void> {
      await transaction.query('INSERT INTO public.kept VALUES ($1, $2)', [consumer, event.eventId]);
    }
  }
  return Keeper;
}

function transportOn(at: OwnInboxesOptions): PullConsumerStrategy<string> {
  return new PullConsumerStrategy({ ...at, ...ownInboxes(at), ...others });
}

interface Deployment extends UpkeepOptions {
  readonly schema?: string;
  /** `undefined` where the service leaves it out. */
  readonly ackWaitMs?: number | undefined;
}

async function start(consumers: readonly string[], deployment: Deployment = {}): Promise<void> {
  await startService(
    consumers.map((consumer) => keeperOf(consumer)),
    deployment,
  );
}

async function startService(controllers: Type[], deployment: Deployment = {}): Promise<void> {
  const { schema, ackWaitMs, ...upkeep } = { ackWaitMs: 4_000, ...deployment };
  @Module({ controllers })
  class Service {}
  const pool = new pg.Pool({
    connectionString: system.postgresUrl,
    application_name: 'service',
    max: 4 * controllers.length,
  });
  pool.on('error', () => undefined);
  const at = { ...placeOn(pool), subjectPrefix: system.subjectPrefix };
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(Service, {
    logger: false,
    strategy: transportOn({
      ...{ ...at, ...upkeep },
      ...(schema !== undefined && { schema }),
      ...(ackWaitMs !== undefined && { ackWaitMs }),
    }),
  });
  app.useGlobalFilters(new ErrorPassage());
  services.push({ app, pool });
  await app.listen();
}

function placeOn(pool: pg.Pool): Pick<OwnInboxesOptions, 'connection' | 'pool' | 'stream'> {
  return { connection: system.connection, pool, stream: system.streamName };
}

async function stop(): Promise<void> {
  for (const { app, pool } of services.splice(0)) {
    await app.close();
    await pool.end();
  }
}

async function send(...ids: readonly string[]): Promise<void> {
  await sendOn('orders', ...ids);
}

async function sendOn(topic: string, ...ids: readonly string[]): Promise<void> {
  for (const id of ids) await jetstream(system.connection).publish(`${system.subjectPrefix}.${topic}`, id);
}

async function keptBy(consumer: string): Promise<string[]> {
  const { rows } = await system.pool.query<{ id: string }>(
    'SELECT id FROM public.kept WHERE consumer = $1 ORDER BY id',
    [consumer],
  );
  return rows.map(({ id }) => id);
}

async function nothingUnsettled(consumer: string): Promise<void> {
  await untilSettled(manager, system.streamName, consumer);
}

async function schemas(): Promise<string[]> {
  const { rows } = await system.pool.query<{ name: string }>(
    `SELECT nspname AS name FROM pg_namespace WHERE nspname !~ '^pg_|^information_schema$' ORDER BY 1`,
  );
  return rows.map(({ name }) => name);
}

const ids = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, n) => `e${String(from + n).padStart(3, '0')}`);

describe('a service with inboxes of its own', () => {
  it('applies every event once for each of its consumers, whatever their names, in several processes', async () => {
    await send(...ids(1, 20), ...ids(11, 20));
    await Promise.all([start(NAMES), start(NAMES)]);
    await send(...ids(15, 40));
    for (const name of NAMES) {
      await nothingUnsettled(name);
      expect(await keptBy(name)).toEqual(ids(1, 40));
      const { rows } = await system.pool.query(
        `SELECT sum(stored)::int AS stored, sum(duplicates)::int AS duplicates FROM inbox."${name}_counter"`,
      );
      expect(rows).toEqual([{ stored: 40, duplicates: 16 }]);
    }
    expect(await schemas()).toEqual(['inbox', 'public']);
  });

  it('continues at its position after a restart, also when its durable consumer was deleted', async () => {
    await start(['event']);
    await send(...ids(1, 10));
    await nothingUnsettled('event');
    await stop();
    await manager.consumers.delete(system.streamName, 'event');
    await send(...ids(5, 15));
    await start(['event']);
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(ids(1, 15));
    // The first process settled 10 messages. Reading them again would add 10 deliveries to the 11 of the
    // second process.
    const { delivered } = await manager.consumers.info(system.streamName, 'event');
    expect(delivered.consumer_seq).toBeLessThan(21);
  });

  it('reads a stream that was deleted and created under the same identity, and applies no event twice', async () => {
    const { config } = await manager.streams.info(system.streamName);
    const metadata = { ...config.metadata, identity: 'the same' };
    await manager.streams.update(system.streamName, { ...config, metadata });
    await start(['event'], { schema: 'mine' });
    await send(...ids(1, 10));
    await nothingUnsettled('event');
    await stop();
    await manager.streams.delete(system.streamName);
    await manager.streams.add({ ...config, metadata });
    await send(...ids(6, 14));
    await start(['event'], { schema: 'mine' });
    await waitFor(async () => (await keptBy('event')).length >= 14, {
      timeoutMs: 30_000,
      describe: 'the events of the new stream',
    });
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(ids(1, 14));
    const { rows } = await system.pool.query(
      'SELECT revision, base_seq::int AS base FROM mine.event_stream ORDER BY revision',
    );
    expect(rows).toEqual([
      { revision: 1, base: 0 },
      { revision: 2, base: 0 },
    ]);
  });

  it('creates its durable consumer with an ack wait of 5 s, since progress is signalled', async () => {
    await start(['event'], { ackWaitMs: undefined });
    const { config } = await manager.consumers.info(system.streamName, 'event');
    expect([config.ack_wait, config.max_ack_pending]).toEqual([nanos(5_000), 20_000]);
  });

  it('gives a durable consumer that exists the ack wait that it is asked for, and no other change', async () => {
    await start(['event'], { ackWaitMs: 15_000 });
    await send(...ids(1, 5));
    await nothingUnsettled('event');
    await stop();
    const before = await manager.consumers.info(system.streamName, 'event');
    await start(['event'], { ackWaitMs: undefined });
    expect((await manager.consumers.info(system.streamName, 'event')).config).toEqual(before.config);
    await stop();
    await start(['event'], { ackWaitMs: 4_000 });
    await send(...ids(4, 8));
    await nothingUnsettled('event');
    const after = await manager.consumers.info(system.streamName, 'event');
    expect(after.config).toEqual({ ...before.config, ack_wait: nanos(4_000) });
    expect([before.created, after.created]).toEqual([before.created, before.created]);
    expect(await keptBy('event')).toEqual(ids(1, 8));
  });

  it('fails at the start when no table can have the name of a consumer', async () => {
    await expect(start(['a b'])).rejects.toThrow(
      '"a b" cannot name an inbox: use 1 to 40 letters, digits, _ and -',
    );
    expect(await schemas()).toEqual(['public']);
  });
});

describe('the keys of a service', () => {
  /** Its log lines, with the generations of filters that are in memory. */
  const logged: { text: string; filters: unknown }[] = [];
  const note = (fields: object, text: string): void => {
    logged.push({ text, filters: (fields as { filters?: number }).filters });
  };
  const log = { info: note, warn: note };
  /** The tables whose names say that they are of generations. */
  const tablesOfGenerations = async (): Promise<string[]> => {
    const { rows } = await system.pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relkind = 'r' AND relname ~ '_key_' ORDER BY 1`,
    );
    return rows.map(({ name }) => name);
  };

  /** The open connections of the service. */
  const connections = async (): Promise<number | null> => {
    const { rowCount } = await system.pool.query(
      `SELECT FROM pg_stat_activity WHERE application_name = 'service' AND datname = current_database()`,
    );
    return rowCount;
  };

  it('begin other generations by themselves when they are large, with filters, and no effect happens twice', async () => {
    logged.length = 0;
    await start(['event'], { generationBytesMax: 1, upkeepMs: 20, log });
    await send(...ids(1, 10));
    await waitFor(() => logged.some(({ filters }) => Number(filters) > 0), {
      timeoutMs: 30_000,
      describe: 'a filter',
    });
    await send(...ids(5, 15));
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(ids(1, 15));
    expect(await tablesOfGenerations()).toEqual(
      expect.arrayContaining(['event_key_filter', 'event_key_g1', 'event_key_generation']),
    );
    expect(logged.map(({ text }) => text)).toEqual(
      expect.not.arrayContaining([expect.stringContaining('trying again')]),
    );
    await stop();
    await waitFor(async () => (await connections()) === 0, { timeoutMs: 10_000, describe: 'its end' });
  });

  it('stay in one table while they are few, which takes no table, no memory and no connection', async () => {
    let checks = 0;
    await start(['event'], { upkeepMs: 20, log });
    const { pool } = services.at(-1) as (typeof services)[number];
    const query = pool.query.bind(pool) as (...args: unknown[]) => unknown;
    Object.assign(pool, {
      query: (...args: unknown[]) => {
        if (String(args[0]).includes('to_regclass')) checks += 1;
        return query(...args);
      },
    });
    await send(...ids(1, 10));
    await nothingUnsettled('event');
    const before = checks;
    await waitFor(() => checks > before + 4, { timeoutMs: 10_000, describe: 'the upkeep' });
    expect(await tablesOfGenerations()).toEqual([]);
    expect(await connections()).toBe(pool.totalCount);
  });
});

describe('a handler that is for a part of the stream', () => {
  /** How many deliveries its durable consumer has made. */
  const deliveries = async (): Promise<number> =>
    (await manager.consumers.info(system.streamName, 'event')).delivered.consumer_seq;
  const startFor = (subjects: string | readonly string[]): Promise<void> =>
    startService([keeperOf('event', subjects)]);

  it.each([
    ['one subject', 'payments.>'],
    ['several subjects', ['payments.>', 'refunds.*']],
  ])('is delivered that part alone: %s', async (_what, subjects) => {
    await startFor(subjects);
    await sendOn('orders', ...ids(1, 20));
    await sendOn('payments.card', ...ids(21, 25), ...ids(24, 25));
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(ids(21, 25));
    expect(await deliveries()).toBe(7);
    const { rows } = await system.pool.query('SELECT FROM inbox.event_dead_letter');
    expect(rows).toEqual([]);
  });

  it('goes on where it was after a restart: what others are for is not missing', async () => {
    await startFor('payments.>');
    await sendOn('payments.card', ...ids(1, 5));
    await sendOn('orders', ...ids(6, 10));
    await sendOn('payments.card', ...ids(11, 15));
    await nothingUnsettled('event');
    await stop();
    await startFor('payments.>');
    await sendOn('payments.card', ...ids(16, 16));
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual([...ids(1, 5), ...ids(11, 16)]);
    expect(await deliveries()).toBe(11);
  });

  it('goes on at what is not settled after its durable consumer was deleted', async () => {
    await startFor('payments.>');
    await sendOn('orders', ...ids(1, 5));
    await sendOn('payments.card', ...ids(6, 10));
    await nothingUnsettled('event');
    await stop();
    await manager.consumers.delete(system.streamName, 'event');
    await sendOn('payments.card', ...ids(9, 12));
    await startFor('payments.>');
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(ids(6, 12));
  });

  it('says so where its durable consumer leaves out what it is for, and does not begin', async () => {
    await startFor('payments.>');
    await stop();
    lost = [];
    const starting = startFor(['payments.>', 'refunds.>']);
    await waitFor(() => lost.length > 0, { timeoutMs: 30_000, describe: 'the service to say so' });
    const missed = `${system.subjectPrefix}.refunds.>`;
    expect(lost[0]).toContain(`and its handler is for ${missed} as well: delete the consumer`);
    await manager.consumers.delete(system.streamName, 'event');
    await starting;
    await sendOn('refunds.card', 'r');
    await nothingUnsettled('event');
    expect(await keptBy('event')).toEqual(['r']);
  });

  it('has a durable consumer that its owner may create before it, as often as he likes', async () => {
    const inboxes = ownInboxes(placeOn(system.pool));
    const create = (): Promise<void> => inboxes.recreate('event', [`${system.subjectPrefix}.payments.>`]);
    await Promise.all([create(), create()]);
    await sendOn('payments.card', ...ids(6, 10));
    await sendOn('orders', ...ids(1, 5));
    await startFor('payments.>');
    await nothingUnsettled('event');
    const info = (): ReturnType<typeof manager.consumers.info> =>
      manager.consumers.info(system.streamName, 'event');
    const before = await info();
    await create();
    expect((await info()).delivered).toEqual(before.delivered);
    expect(await keptBy('event')).toEqual(ids(6, 10));
  });
});
