/**
 * The life of a worker process.
 *
 * SIGTERM, SIGINT or the end of the parent finish the batches in flight, acknowledge them and take no more.
 */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import { brokerAddress, BrokerWatch, MovableConnection } from '#broker';
import { SettingsError, type WorkerSettings } from '#config';
import {
  connectionsNeeded,
  consumersOf,
  ErrorPassage,
  OptionsError,
  PullConsumerStrategy,
} from '#idempotent-consumer';
import { createLogger, endWhenHung, giveLifeSigns, type Logger, NestLogger } from '#observability';
import { createPool } from '#postgres';
import { keepPartitionsAhead } from './partition-keeper.js';
import { endWhenStuck } from './stuck-consumers.js';
import { transportOptions, type WorkerTransport } from './transport-options.js';

const STOP_MS_MAX = 12_000;

/** Changes the transport before it starts: how a test or the judge takes a protection out. */
export type TransportChange = (options: WorkerTransport, connection: NatsConnection) => WorkerTransport;

/** Runs a worker until it is told to stop. Resolves when events flow. */
export async function runWorker(
  settings: WorkerSettings,
  module: Type,
  change: TransportChange = (options) => options,
): Promise<void> {
  const logger = createLogger('worker', settings.SEKALI_LOG_LEVEL);
  const stopping = new Stopping(logger);
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'sekali-worker',
    connectionsMax: connectionsOf(module, settings.SEKALI_BATCHES_IN_FLIGHT),
    transactionMsMax: settings.SEKALI_TRANSACTION_MS_MAX,
  });
  logger.info('connecting to the brokers');
  const movable = await MovableConnection.open(brokerAddress(settings, 'worker'), { waitForFirst: true });
  const { connection } = movable;
  const options = {
    ...transportOptions(settings, connection, pool, logger),
    moveTo: (broker: string, signal: AbortSignal) => movable.moveTo(broker, signal),
    watch: watchOf(movable, logger),
  };
  const strategy = new PullConsumerStrategy(change(options, connection));
  const app = await NestFactory.createMicroservice<MicroserviceOptions>(module, {
    strategy,
    logger: new NestLogger(logger),
  });
  app.useGlobalFilters(new ErrorPassage());
  const partitions = keepPartitionsAhead(pool, logger);
  const listening = app.listen();
  const stopChecks = endWhenStuck(strategy, logger);
  stopping.by(async () => {
    stopChecks();
    partitions.stop();
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

function watchOf(movable: MovableConnection, logger: Logger): BrokerWatch {
  return new BrokerWatch(movable, {
    onMoved: (failingMs, broker) => {
      logger.warn(
        { failingMs: Math.round(failingMs), broker },
        'the broker did not answer; it was left for another',
      );
    },
  });
}

/** How many connections the consumers of a module need. */
function connectionsOf(module: Type, batchesInFlight: number): number {
  const controllers = (Reflect.getMetadata('controllers', module) ?? []) as Type[];
  return connectionsNeeded(consumersOf(controllers).length, { batchesInFlight });
}

/** Ends a worker that could not start: a wrong environment is told in its own words, a defect with its stack. */
export function endWith(error: unknown): never {
  const expected = error instanceof SettingsError || error instanceof OptionsError;
  process.stderr.write(
    `worker: ${expected || !(error instanceof Error) ? String(error) : (error.stack ?? error.message)}\n`,
  );
  process.exit(1);
}

/** The way out: once, in order, within a bound. */
class Stopping {
  private steps = (): Promise<void> => Promise.resolve();
  private begun = false;

  constructor(private readonly logger: Logger) {
    for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) {
      process.on(signal, () => {
        this.begin();
      });
    }
  }

  /** Says what there is to be done; before that, nothing has to be. */
  by(steps: () => Promise<void>): void {
    this.steps = steps;
  }

  private begin(): void {
    if (this.begun) return;
    this.begun = true;
    this.logger.info('stopping: finishing the batches in flight');
    setTimeout(() => {
      this.logger.error('could not stop in time; what is unsettled is delivered again');
      process.exit(1);
    }, STOP_MS_MAX).unref();
    this.steps().then(
      () => process.exit(0),
      (error: unknown) => {
        this.logger.error({ err: error }, 'stopping failed; what is unsettled is delivered again');
        process.exit(1);
      },
    );
  }
}
