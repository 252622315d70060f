/** A worker whose consumer is stuck ends, for a reason that no bound of ours knows. */
import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { INestMicroservice } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import { connectionsNeeded, PullConsumerStrategy } from '#idempotent-consumer';
import { createLogger, endWhenStuck } from '#observability';
import { createPool } from '#postgres';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { ledgerBecomes, ledgerOf, publishEvent } from './test/consumer-fixture.js';
import { transportOptions } from './transport-options.js';
import { WorkerModule } from './worker.module.js';

const STUCK_MS = 500;
const EVERY_MS = 50;

let system: TestSystem;
let pool: Pool;
let app: INestMicroservice;
let strategy: PullConsumerStrategy<SekaliEvent>;
/** Resolves what hangs. */
let release = (): void => undefined;
let hangs = false;

beforeAll(async () => {
  system = await createTestSystem();
  const { postgresUrl: url } = system;
  pool = createPool({ url, name: 'test', connectionsMax: connectionsNeeded(1), transactionMsMax: 5_000 });
  const options = transportOptions(
    readWorkerSettings(system.environment),
    system.connection,
    pool,
    createLogger('test', 'silent'),
  );
  strategy = new PullConsumerStrategy({
    ...options,
    deciderOf: (_, processor) => ({
      process: async (streamId, batch) => {
        if (hangs) await new Promise<void>((resolve) => (release = resolve));
        return processor.process(streamId, batch);
      },
      processSuspect: (streamId, suspect) => processor.processSuspect(streamId, suspect),
      isSlow: (streamId, seq) => processor.isSlow(streamId, seq),
      suspectsAmong: (streamId, deliveries) => processor.suspectsAmong(streamId, deliveries),
    }),
  });
  app = await NestFactory.createMicroservice<MicroserviceOptions>(WorkerModule, { strategy, logger: false });
  await app.listen();
});

afterAll(async () => {
  await app.close();
  await pool.end();
  await system.dispose();
});

describe('a worker whose consumer is stuck', () => {
  it('ends once, and not while the consumer gets on or has nothing to do', async () => {
    let ends = 0;
    const logger = createLogger('test', 'silent');
    const stopChecks = endWhenStuck(strategy, logger, {
      end: () => (ends += 1),
      stuckMs: STUCK_MS,
      everyMs: EVERY_MS,
    });
    await publishEvent(system, { id: 'a' });
    await ledgerBecomes(system, ledgerOf(1));
    expect(ends).toBe(0);
    hangs = true;
    await publishEvent(system, { id: 'b' });
    await waitFor(() => ends > 0, { timeoutMs: 20_000, describe: 'the end of the worker' });
    hangs = false;
    release();
    await ledgerBecomes(system, ledgerOf(2));
    expect(ends).toBe(1);
    stopChecks();
  });
});
