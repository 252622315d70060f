/**
 * A second durable consumer with its own effect is one small class, and neither disturbs the other. Both connect to the
 * database in the role of a worker, which owns no table.
 */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { Controller, type INestMicroservice, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Ctx, type MicroserviceOptions, Payload } from '@nestjs/microservices';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import {
  BatchContext,
  connectionsNeeded,
  ErrorPassage,
  type Message,
  OncePerEvent,
  PullConsumerStrategy,
} from '#idempotent-consumer';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import type { Pool } from 'pg';
import { createInbox, grantRights, ROLES } from '#store';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { ledgerOf, publishEvent, readLedger } from './test/consumer-fixture.js';
import { EventRecorder } from './event-recorder.js';
import { transportOptions } from './transport-options.js';

@Controller()
class Totals {
  @OncePerEvent('totals', { batch: true })
  async add(@Payload() fresh: Message<SekaliEvent>[], @Ctx() { transaction }: BatchContext): Promise<void> {
    const amounts = fresh.map(({ event }) => (JSON.parse(event.payload) as { amount: number }).amount);
    await transaction.query(
      'UPDATE public.total SET amount = amount + (SELECT sum(a) FROM unnest($1::int[]) a)',
      [amounts],
    );
  }
}

@Module({ controllers: [EventRecorder, Totals] })
class TwoConsumers {}

let system: TestSystem;
let app: INestMicroservice;
let pool: Pool;

beforeAll(async () => {
  system = await createTestSystem();
  await system.pool.query('CREATE TABLE public.total (amount int NOT NULL)');
  await system.pool.query('INSERT INTO public.total VALUES (0)');
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  // Users grant the rights to their own tables.
  await system.pool.query(`GRANT SELECT, UPDATE ON public.total TO ${ROLES.worker}`);
  pool = createPool({
    url: urls.worker,
    name: 'test',
    connectionsMax: connectionsNeeded(2),
    transactionMsMax: 8_000,
  });
  const logger = createLogger('test', 'silent');
  const settings = readWorkerSettings(system.environment);
  app = await NestFactory.createMicroservice<MicroserviceOptions>(TwoConsumers, {
    strategy: new PullConsumerStrategy(transportOptions(settings, system.connection, pool, logger)),
    logger: false,
  });
  app.useGlobalFilters(new ErrorPassage());
  await app.listen();
});

afterAll(async () => {
  await app.close();
  await pool.end();
  await system.dispose();
});

async function total(): Promise<number | undefined> {
  const { rows } = await system.pool.query<{ amount: number }>('SELECT amount FROM public.total');
  return rows[0]?.amount;
}

describe('a second consumer', () => {
  it('takes effect once per event, next to the first', async () => {
    for (let n = 0; n < 60; n++) await publishEvent(system, { id: `e${n % 20}`, payload: '{"amount":5}' });
    await waitFor(async () => (await total()) === 100, { timeoutMs: 20_000, describe: 'a total of 100' });
    await waitFor(
      async () => {
        const { rows } = await system.pool.query<{ settled: number }>(
          'SELECT sum(stored + duplicates)::int AS settled FROM sekali.totals_counter',
        );
        return rows[0]?.settled === 60;
      },
      { timeoutMs: 20_000, describe: 'every message settled for the totals' },
    );
    expect(await total()).toBe(100);
    await waitFor(async () => (await readLedger(system.pool)).duplicates === 40, {
      timeoutMs: 20_000,
      describe: 'every message settled for the store',
    });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(20, 40));
  });

  it('gives up an event that its own effect refuses, while the first consumer stores it', async () => {
    await publishEvent(system, { id: 'huge', payload: '{"amount":99999999999}' });
    await waitFor(
      async () => {
        const { rows } = await system.pool.query('SELECT event_id, reason FROM sekali.totals_dead_letter');
        return rows.length === 1 ? rows : undefined;
      },
      { timeoutMs: 20_000, describe: 'the dead letter of the totals' },
    );
    await waitFor(async () => (await readLedger(system.pool)).stored === 21, {
      timeoutMs: 20_000,
      describe: 'the event',
    });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(21, 40));
    expect(await total()).toBe(100);
  });

  it('cannot have an inbox with a forbidden name', async () => {
    await expect(createInbox(system.pool, 'x; DROP SCHEMA sekali')).rejects.toThrow('cannot name an inbox');
    await expect(createInbox(system.pool, 'store')).rejects.toThrow('cannot name an inbox');
  });

  it.each(['event', 'api', 'broker'])(
    'is refused at the start when its name is %s, because one of its tables would be another’s',
    async (name) => {
      @Controller()
      class Misnamed {
        @OncePerEvent(name)
        apply(): void {
          // It is never called.
        }
      }
      @Module({ controllers: [Misnamed] })
      class OneConsumer {}
      const logger = createLogger('test', 'silent');
      const settings = readWorkerSettings(system.environment);
      const misnamed = await NestFactory.createMicroservice<MicroserviceOptions>(OneConsumer, {
        strategy: new PullConsumerStrategy(transportOptions(settings, system.connection, pool, logger)),
        logger: false,
      });
      await expect(misnamed.listen()).rejects.toThrow(`"${name}" cannot name an inbox`);
    },
  );
});
