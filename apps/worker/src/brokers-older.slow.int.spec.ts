/**
 * Brokers are restored to an older state than the database. The messages that they accept afterwards get sequences that
 * the database has already, and are stored all the same.
 */
import 'reflect-metadata';
import { cpSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import { MovableConnection } from '#broker';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import {
  BatchContext,
  ErrorPassage,
  type Message,
  OncePerEvent,
  PullConsumerStrategy,
} from '#idempotent-consumer';
import { createLogger } from '#observability';
import { createTestCluster, inBackground, type TestCluster, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';
import { transportOptions } from './transport-options.js';

const ELECTION_MS_MAX = 60_000;
const TEST_MS_MAX = 180_000;
jest.setTimeout(TEST_MS_MAX);

@Controller()
class Seen {
  @OncePerEvent('seen', { batch: true })
  async note(@Payload() fresh: Message<SekaliEvent>[], @Ctx() { transaction }: BatchContext): Promise<void> {
    const ids = fresh.map(({ event }) => event.eventId);
    await transaction.query('INSERT INTO public.seen SELECT unnest($1::text[])', [ids]);
  }
}

@Module({ controllers: [Seen] })
class FurtherConsumer {}

/** Starts another consumer, with its own inbox and effect. */
async function startFurther(): Promise<{ close: () => Promise<void> }> {
  const settings = readWorkerSettings(system.environment);
  const { connection } = await MovableConnection.open(
    { urls: settings.SEKALI_NATS_URLS, name: 'seen' },
    { waitForFirst: true },
  );
  const logger = createLogger('test', 'silent');
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(FurtherConsumer, {
    strategy: new PullConsumerStrategy(transportOptions(settings, connection, system.pool, logger)),
    logger: false,
  });
  app.useGlobalFilters(new ErrorPassage());
  await app.listen();
  return {
    close: async () => {
      await app.close();
      await connection.close();
    },
  };
}

let system: TestCluster;
let consumer: ConsumerFixture | undefined;

beforeEach(async () => {
  system = await createTestCluster({ ackWaitMs: 2_000, duplicateWindowMs: 500 });
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
  await system.dispose();
});

function stores(): { name: string; live: string; copy: string }[] {
  return system.brokers.nodes.map(({ name, dataDirectory }) => ({
    name,
    live: join(dataDirectory, 'store'),
    copy: join(dataDirectory, 'copy'),
  }));
}

async function stopBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.stop()));
}

async function startBrokers(): Promise<void> {
  await Promise.all(system.brokers.nodes.map((node) => node.spawn()));
  await Promise.all(system.brokers.nodes.map((node) => node.untilReady({ timeoutMs: ELECTION_MS_MAX })));
  await waitFor(
    async () => {
      const manager = await jetstreamManager(system.connection, { checkAPI: false });
      const stream = await manager.streams.info(system.streamName);
      const store = await manager.consumers.info(system.streamName, system.consumerName);
      return stream.cluster?.leader !== undefined && store.cluster?.leader !== undefined;
    },
    { timeoutMs: ELECTION_MS_MAX, describe: 'leaders of the stream and of the consumer' },
  );
}

/** Copies what the brokers have now. */
async function copyStores(): Promise<void> {
  await stopBrokers();
  for (const { live, copy } of stores()) cpSync(live, copy, { recursive: true });
  await startBrokers();
}

/** The files that a broker has of its consumers: their state, and the logs of their Raft groups. */
function consumerParts(store: string): string[] {
  const groups = join(store, 'jetstream', '$SYS', '_js_');
  return [
    join(store, 'jetstream', '$G', 'streams', system.streamName, 'obs'),
    ...readdirSync(groups)
      .filter((name) => name.startsWith('C-'))
      .map((name) => join(groups, name)),
  ];
}

/**
 * Restores the stores of stopped brokers from the copies.
 *
 * @param options `keepConsumers` leaves the state of consumers as it is; `except` names a broker that is not restored
 */
function putBackStores(options: { keepConsumers?: boolean; except?: string | undefined } = {}): void {
  for (const { name, live, copy } of stores()) {
    if (name === options.except) continue;
    const newer = `${live}-newer`;
    cpSync(live, newer, { recursive: true });
    rmSync(live, { recursive: true });
    cpSync(copy, live, { recursive: true });
    if (!options.keepConsumers) continue;
    for (const part of consumerParts(newer)) {
      const place = part.replace(newer, live);
      rmSync(place, { recursive: true, force: true });
      cpSync(part, place, { recursive: true });
    }
  }
}

async function rollBack(options?: Parameters<typeof putBackStores>[0]): Promise<void> {
  await stopBrokers();
  putBackStores(options);
  await startBrokers();
}

async function send(...ids: readonly string[]): Promise<void> {
  for (const id of ids) {
    await waitFor(() => publishEvent(system, { id, messageId: `orders:${id}` }), {
      timeoutMs: ELECTION_MS_MAX,
      describe: `${id} acknowledged`,
    });
  }
}

async function settled(count: number): Promise<void> {
  await waitFor(
    async () => {
      const { stored, duplicates, deadLetters } = await readLedger(system.pool);
      return stored + duplicates + deadLetters >= count;
    },
    { timeoutMs: ELECTION_MS_MAX, describe: `${count} messages settled` },
  );
  await nothingUnsettled(system);
}

const named = (prefix: string, count: number): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n + 1}`);

/** Moves the leadership of the consumer to a broker. */
async function leadConsumerFrom(broker: string | undefined): Promise<void> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const address = `${system.streamName}.${system.consumerName}`;
  await waitFor(
    async () => {
      const { cluster } = await manager.consumers.info(system.streamName, system.consumerName);
      if (cluster?.leader === broker) return true;
      const request = JSON.stringify({ placement: { preferred: broker } });
      await system.connection.request(`$JS.API.CONSUMER.LEADER.STEPDOWN.${address}`, request, {
        timeout: 5_000,
      });
      return false;
    },
    { timeoutMs: ELECTION_MS_MAX, intervalMs: 1_000, describe: `${broker} leads the consumer` },
  );
}

async function missingIds(ids: readonly string[]): Promise<string[]> {
  const { rows } = await system.pool.query<{ id: string }>(
    'SELECT id FROM unnest($1::text[]) AS id WHERE NOT EXISTS (SELECT FROM sekali.event_key WHERE event_id = id)',
    [ids],
  );
  return rows.map(({ id }) => id);
}

/** Stores seven events that are in the copy, and three more that the brokers will lose. */
async function tenStored(lose: () => Promise<unknown> = () => send(...named('lost', 3))): Promise<void> {
  consumer = await startConsumer(system.environment);
  await send(...named('old', 7));
  await settled(7);
  await copyStores();
  await lose();
  await settled(10);
}

describe('brokers that are older than the database', () => {
  it('accept messages under sequences that the database has already, and a worker stores them', async () => {
    await tenStored();
    await rollBack();
    await send(...named('new', 3));
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(13));
    expect(await missingIds(named('new', 3))).toEqual([]);
  });

  it('accept a lost event again, which becomes a duplicate next to new events', async () => {
    await tenStored();
    await rollBack();
    await send('new1', 'lost1', 'new2');
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(12, 1));
  });

  it('accept messages under the sequences of a dead letter, a duplicate and an event, and a worker stores them', async () => {
    const js = jetstream(system.connection);
    // The brokers have just come back, and may leave a request without an answer.
    const taken = { timeoutMs: ELECTION_MS_MAX, describe: 'the brokers to take a message' };
    await tenStored(async () => {
      await waitFor(() => js.publish(`${system.subjectPrefix}.orders`, 'not JSON'), taken);
      await waitFor(() => publishEvent(system, { id: 'old1' }), taken);
      await send('lost');
    });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(8, 1, 0, 1));
    await rollBack();
    await send(...named('new', 3));
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(11, 1, 0, 1));
  });

  it('accept messages while no worker runs, and a worker stores them although the stream has outgrown the database', async () => {
    await tenStored();
    await consumer?.stop();
    await rollBack();
    await send(...named('new', 5));
    consumer = await startConsumer(system.environment);
    await settled(15);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(15));
  });

  it('deliver messages under sequences that the consumer acknowledged before', async () => {
    await tenStored();
    await rollBack({ keepConsumers: true });
    await send(...named('new', 3));
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(13));
  });

  it('lose no message that they accept afterwards under load', async () => {
    consumer = await startConsumer(system.environment);
    const acknowledged: string[] = [];
    const load = inBackground(async (over) => {
      for (let n = 0; !over.aborted; n++) {
        const batch = Array.from({ length: 20 }, (_, place) => `e${n}-${place}`);
        const sent = await Promise.allSettled(batch.map((id) => publishEvent(system, { id })));
        acknowledged.push(...batch.filter((_, place) => sent[place]?.status === 'fulfilled'));
      }
    });
    const moreThan = async (count: number): Promise<void> => {
      await waitFor(() => acknowledged.length > count, {
        timeoutMs: ELECTION_MS_MAX,
        describe: 'the load',
      });
    };
    await moreThan(200);
    await copyStores();
    // The lost events must be in the database. Otherwise no message could be mistaken for another.
    const copied = acknowledged.length;
    await moreThan(copied + 1_000);
    await waitFor(async () => (await readLedger(system.pool)).stored > copied + 500, {
      timeoutMs: ELECTION_MS_MAX,
      describe: 'more events stored than are in the copy',
    });
    await rollBack();
    const before = acknowledged.length;
    // Publishes that were under way while the brokers stopped are counted on neither side.
    await moreThan(before + 20);
    const accepted = acknowledged.length;
    await moreThan(accepted + 2_000);
    await load.end();
    await waitFor(async () => (await missingIds(acknowledged.slice(accepted))).length === 0, {
      timeoutMs: ELECTION_MS_MAX,
      describe: 'everything that was accepted afterwards',
    });
    await nothingUnsettled(system);
    const ledger = await readLedger(system.pool);
    expect(ledger).toEqual(ledgerOf(ledger.stored, ledger.duplicates));
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const { state } = await manager.streams.info(system.streamName);
    const { rows } = await system.pool.query<{ base: number; own: number }>(`
      SELECT base_seq::integer AS base, (SELECT count(*)::integer FROM sekali.event_key key WHERE key.stream_id = stream.stream_id)
        + (SELECT count(*)::integer FROM sekali.duplicate WHERE duplicate.stream_id = stream.stream_id) AS own
      FROM sekali.stream ORDER BY stream_id DESC LIMIT 1`);
    expect(rows[0]?.base).toBeGreaterThan(0);
    expect((rows[0]?.base ?? NaN) + (rows[0]?.own ?? NaN)).toBe(state.last_seq);
  });

  it('deliver their own history, although one of them still has the newer one and leads the consumer', async () => {
    await tenStored();
    const [kept, ...others] = system.brokers.nodes;
    await stopBrokers();
    putBackStores({ keepConsumers: true, except: kept?.name });
    await Promise.all(others.map((node) => node.spawn()));
    await send('new1');
    await kept?.start({ timeoutMs: ELECTION_MS_MAX });
    // A running worker would move the leadership of the consumer at once.
    await consumer?.stop();
    await leadConsumerFrom(kept?.name);
    await send(...named('later', 2));
    consumer = await startConsumer(system.environment);
    await settled(13);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(13));
    const reasons = consumer.observed.flatMap((event) =>
      event.type === 'session-lost' ? [event.reason] : [],
    );
    expect(reasons).toContainEqual(
      expect.stringContaining(`broker ${kept?.name ?? ''}, which leads the consumer`),
    );
  });
});

describe('a further consumer that was ahead of the one that stores', () => {
  it('processes the messages that got the sequences of those that the brokers lost', async () => {
    await system.pool.query('CREATE TABLE public.seen (event_id text NOT NULL)');
    const seen = async (): Promise<string[]> => {
      const { rows } = await system.pool.query<{ event_id: string }>('SELECT event_id FROM public.seen');
      return rows.map(({ event_id: id }) => id);
    };
    const further = await startFurther();
    try {
      consumer = await startConsumer(system.environment);
      await send(...named('a', 5));
      await settled(5);
      await waitFor(async () => (await seen()).length === 5, { timeoutMs: 30_000, describe: 'five effects' });
      await consumer.stop();
      consumer = undefined;
      await copyStores();
      await send(...named('lost', 3));
      await waitFor(async () => (await seen()).length === 8, {
        timeoutMs: 60_000,
        describe: 'eight effects',
      });
      await rollBack();
      await send(...named('b', 4));
      consumer = await startConsumer(system.environment);
      await settled(9);
      await waitFor(async () => (await seen()).length === 12, {
        timeoutMs: 60_000,
        describe: 'twelve effects',
      });
      expect((await seen()).sort()).toEqual([...named('a', 5), ...named('b', 4), ...named('lost', 3)].sort());
      expect(await readLedger(system.pool)).toMatchObject({ stored: 9 });
    } finally {
      await further.close();
    }
  });
});
