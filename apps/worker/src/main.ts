/**
 * The worker: carries events from the stream into Postgres, once each.
 *
 * SIGTERM, SIGINT or the end of the parent finish the batches in flight, acknowledge them and take no more.
 */
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { connectBroker } from '#broker';
import { readWorkerSettings, SettingsError } from '#config';
import { ErrorPassage } from '#idempotent-consumer';
import { createLogger, NestLogger } from '#observability';
import { createPool } from '#store';
import { keepPartitionsAhead } from './partition-keeper.js';
import { workerTransport } from './transport.js';
import { WorkerModule } from './worker.module.js';

const STOP_MS_MAX = 12_000;

async function main(): Promise<void> {
  const settings = readWorkerSettings();
  const logger = createLogger('worker', settings.SEKALI_LOG_LEVEL);
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-worker',
    // One a transaction, one for what stands between them.
    connectionsMax: settings.SEKALI_BATCHES_IN_FLIGHT + 1,
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
  });
  let stop = (): void => process.exit(0);
  for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
    process.once(signal, () => {
      stop();
    });
  }
  const connection = await connectBroker({ urls: settings.SEKALI_NATS_URLS, name: 'worker' }, { waitForFirst: true });
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(WorkerModule, {
    strategy: workerTransport(settings, connection, pool, logger),
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  const partitions = keepPartitionsAhead(pool, logger);
  const listening = app.listen();
  stop = (): void => {
    logger.info('stopping: finishing the batches in flight');
    setTimeout(() => {
      logger.error('could not stop in time; what is unsettled is delivered again');
      process.exit(1);
    }, STOP_MS_MAX).unref();
    partitions.stop();
    void app
      .close()
      .then(() => connection.close())
      .then(() => pool.end())
      .then(() => process.exit(0));
  };
  await listening;
  process.send?.({ type: 'ready' });
  logger.info('ready');
}

main().catch((error: unknown) => {
  const expected = error instanceof SettingsError;
  process.stderr.write(`worker: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`);
  process.exit(1);
});
