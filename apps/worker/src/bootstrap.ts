/**
 * Starts and stops a worker process.
 *
 * On SIGTERM, SIGINT or the end of its parent, it finishes the batches in flight, acknowledges them and takes no more.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import type { Pool } from 'pg';
import { brokerAddress, BrokerWatch, MovableConnection } from '#broker';
import { SettingsError, type WorkerSettings } from '#config';
import { connectionsNeeded, ErrorPassage, OptionsError, PullConsumerStrategy } from '#idempotent-consumer';
import { consumersOf } from '#idempotent-consumer/parts';
import type { ConsumerFilters } from '#idempotent-consumer/postgres';
import {
  createLogger,
  endWhenHung,
  endWhenStuck,
  giveLifeSigns,
  type Logger,
  NestLogger,
  Shutdown,
} from '#observability';
import { createPool, type Queryable } from '#postgres';
import { keepDaysIndexed } from './day-index-keeper.js';
import { keepGenerationsSmall } from './generation-keeper.js';
import { keepHistogramSmall } from './histogram-keeper.js';
import { workerFilters } from './key-filters.js';
import { keepPartitionsAhead } from './partition-keeper.js';
import { keepPayloadsIndexed } from './payload-index-keeper.js';
import { keepRetention } from './retention-keeper.js';
import { streamFloorNote } from './stream-floor.js';
import { transportOptions, type WorkerTransport } from './transport-options.js';
import { measured, workerMetrics } from './worker-metrics.js';

/** Changes the transport before it starts. Tests and the judge use it to take a protection out. */
export type TransportChange = (options: WorkerTransport, connection: NatsConnection) => WorkerTransport;

/**
 * Runs a worker until a signal stops it. Resolves when the worker consumes events.
 *
 * @param module has the controllers, which are the consumers' effects
 * @throws OptionsError when the consumers cannot run as the settings say
 */
export async function runWorker(
  settings: WorkerSettings,
  module: Type,
  change: TransportChange = (options) => options,
): Promise<void> {
  const logger = createLogger('worker', settings.SEKALI_LOG_LEVEL);
  const shutdown = new Shutdown(logger);
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-worker',
    connectionsMax: connectionsOf(module, settings.SEKALI_BATCHES_IN_FLIGHT),
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
  });
  const metrics = workerMetrics(settings, pool);
  logger.info('connecting to the brokers');
  const movable = await MovableConnection.open(brokerAddress(settings, 'worker'), { waitForFirst: true });
  const { connection } = movable;
  const filters = workerFilters(settings.SEKALI_POSTGRES_URL, logger, settings.SEKALI_KEY_FILTER_BYTES_MAX);
  const options = {
    ...transportOptions(settings, connection, pool, logger),
    moveTo: (broker: string, signal: AbortSignal) => movable.moveTo(broker, signal),
    watch: watchOf(movable, logger),
    filtersOf: filters.of,
  };
  const strategy = new PullConsumerStrategy(measured(change(options, connection), metrics));
  metrics.watchKeys(() => filters.figures());
  await metrics.serve(() => strategy.health(), logger);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy,
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  const noteFloor = streamFloorNote(connection, settings.SEKALI_STREAM);
  const keepers = keepersOf({ settings, pool, logger, filters, metrics, noteFloor });
  const listening = app.listen();
  const stopChecks = endWhenStuck(strategy, logger);
  shutdown.setSteps(async () => {
    stopChecks();
    metrics.close();
    for (const keeper of keepers) keeper.stop();
    await app.close();
    await connection.close();
    await pool.end();
  });
  await listening;
  process.send?.({ type: 'ready' });
  giveLifeSigns();
  endWhenHung('worker');
  logger.info('ready');
}

/** What the keepers work with. */
interface KeeperParts {
  readonly settings: WorkerSettings;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly filters: ConsumerFilters;
  readonly metrics: ReturnType<typeof workerMetrics>;
  readonly noteFloor: (database: Queryable) => Promise<void>;
}

/** Starts what keeps the database in shape while the worker runs. */
function keepersOf({ settings, pool, logger, filters, metrics, noteFloor }: KeeperParts): readonly {
  stop(): void;
}[] {
  const retention = keepRetention(settings.SEKALI_POSTGRES_URL, logger, noteFloor);
  metrics.watchRetention(() => retention.figures());
  return [
    keepPartitionsAhead(pool, logger),
    keepHistogramSmall(pool, logger),
    keepDaysIndexed(settings.SEKALI_POSTGRES_URL, logger),
    keepPayloadsIndexed(settings.SEKALI_POSTGRES_URL, logger, settings.SEKALI_INDEX_HOURS),
    keepGenerationsSmall(pool, logger, settings.SEKALI_KEY_GENERATION_BYTES),
    filters.keep(),
    retention,
  ];
}

function watchOf(movable: MovableConnection, logger: Logger): BrokerWatch {
  return new BrokerWatch(movable, {
    onMoved: (failingMs, broker) => {
      logger.warn(
        { failingMs: Math.round(failingMs), broker },
        'the broker did not answer; the connection has moved to another one',
      );
    },
  });
}

/** The number of connections that the consumers of a module need. */
function connectionsOf(module: Type, batchesInFlight: number): number {
  const controllers = (Reflect.getMetadata('controllers', module) ?? []) as Type[];
  return connectionsNeeded(consumersOf(controllers).length, { batchesInFlight });
}

/**
 * Ends a worker that could not start, with exit code 1. A wrong environment is printed as a sentence, a defect with its
 * stack.
 */
export function endWith(error: unknown): never {
  const expected = error instanceof SettingsError || error instanceof OptionsError;
  process.stderr.write(
    `worker: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`,
  );
  process.exit(1);
}
