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
  errorText,
  giveLifeSigns,
  type Logger,
  NestLogger,
  Shutdown,
} from '#observability';
import { createPool } from '#postgres';
import { RunningProgram, type ProgramFigures } from '#store';
import { keepDaysIndexed } from './day-index-keeper.js';
import { keepGenerationsSmall } from './generation-keeper.js';
import { keepHistogramSmall } from './histogram-keeper.js';
import { workerFilters } from './key-filters.js';
import { keepPartitionsAhead } from './partition-keeper.js';
import { keepPayloadsIndexed } from './payload-index-keeper.js';
import { keepRetention } from './retention-keeper.js';
import { streamFloorNote } from './stream-floor.js';
import { transportOptions, type WorkerTransport } from './transport-options.js';
import { WorkerActivity } from './worker-activity.js';
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
  const options = optionsOf(settings, { movable, pool, logger, filters });
  const activity = new WorkerActivity();
  const strategy = new PullConsumerStrategy(measured(activity.counted(change(options, connection)), metrics));
  metrics.watchKeys(() => filters.figures());
  await metrics.serve(() => strategy.health(), logger);
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy,
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  const { keepers, program } = keepersOf({
    ...{ settings, pool, logger, filters, metrics, connection },
    figures: (retentionAtMs) => activity.figures(strategy.health(), connection, retentionAtMs),
  });
  const listening = app.listen();
  const stopChecks = endWhenStuck(strategy, logger);
  shutdown.setSteps(async () => {
    stopChecks();
    metrics.close();
    for (const keeper of keepers) keeper.stop();
    await Promise.all([app.close(), program.stop()]);
    await connection.close();
    await pool.end();
  });
  await listening;
  program.start();
  process.send?.({ type: 'ready' });
  giveLifeSigns();
  endWhenHung('worker');
  logger.info('ready');
}

/** The options of the transport, with what moves its connection. */
function optionsOf(
  settings: WorkerSettings,
  {
    movable,
    pool,
    logger,
    filters,
  }: Pick<KeeperParts, 'pool' | 'logger' | 'filters'> & {
    readonly movable: MovableConnection;
  },
): WorkerTransport {
  return {
    ...transportOptions(settings, movable.connection, pool, logger),
    moveTo: (broker, signal) => movable.moveTo(broker, signal),
    watch: watchOf(movable, logger),
    filtersOf: filters.of,
  };
}

/** What the keepers work with. */
interface KeeperParts {
  readonly settings: WorkerSettings;
  readonly pool: Pool;
  readonly logger: Logger;
  readonly filters: ConsumerFilters;
  readonly metrics: ReturnType<typeof workerMetrics>;
  readonly connection: NatsConnection;
  /** What the worker says of itself. */
  readonly figures: (retentionAtMs: number | undefined) => ProgramFigures;
}

/** Starts what keeps the database in shape while the worker runs. The program is started when it is ready. */
function keepersOf({ settings, pool, logger, filters, metrics, connection, figures }: KeeperParts): {
  readonly keepers: readonly { stop(): void }[];
  readonly program: RunningProgram;
} {
  const noteFloor = streamFloorNote(connection, settings.SEKALI_STREAM);
  const retention = keepRetention(settings.SEKALI_POSTGRES_URL, logger, noteFloor);
  metrics.watchRetention(() => retention.figures());
  const program = new RunningProgram(pool, {
    kind: 'worker',
    figures: () => figures(retention.figures().passedAtMs),
    onOutage: (error) => {
      logger.info({ error: errorText(error) }, 'that this worker runs could not be written yet');
    },
  });
  const keepers = [
    keepPartitionsAhead(pool, logger),
    keepHistogramSmall(pool, logger),
    keepDaysIndexed(settings.SEKALI_POSTGRES_URL, logger),
    keepPayloadsIndexed(settings.SEKALI_POSTGRES_URL, logger, settings.SEKALI_INDEX_HOURS),
    keepGenerationsSmall(pool, logger, settings.SEKALI_KEY_GENERATION_BYTES),
    filters.keep(),
    retention,
  ];
  return { keepers, program };
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
