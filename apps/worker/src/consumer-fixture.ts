/** A consumer in the process of a test, put together as the worker does it, with an effect of the test's own. */
import type { NatsConnection } from '@nats-io/nats-core';
import type { Pool } from 'pg';
import { connectBroker, STREAM_CREATED_METADATA } from '#broker';
import { readWorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import {
  BatchProcessor,
  type ConsumerEvent,
  type ConsumerSettings,
  DurableConsumer,
  type Effect,
  IdempotentConsumer,
  Inbox,
  inboxTables,
  OutageGate,
} from '#idempotent-consumer';
import { createPool, insertEvents, streamIdOf } from '#store';
import { eventDecoder } from './event-decoder.js';
import { newEvent, payloadComparison } from './event-recorder.js';

/** What a test may change. */
export interface ConsumerFixtureOptions {
  readonly settings?: Partial<ConsumerSettings & { attemptsMax: number; retryDelayMs: number; transactionMsMax: number }>;
  /** Runs in the transaction, after the events were stored. */
  readonly afterStoring?: Effect<SekaliEvent>['apply'];
  readonly recreate?: () => Promise<void>;
}

/** A running consumer. */
export interface ConsumerFixture {
  readonly connection: NatsConnection;
  readonly pool: Pool;
  /** Everything it told, in order. */
  readonly told: ConsumerEvent[];
  stop(): Promise<void>;
}

/** Starts a consumer on the addresses in `environment`, which holds the settings of a worker. */
export async function startConsumer(
  environment: Readonly<Record<string, string | undefined>>,
  options: ConsumerFixtureOptions = {},
): Promise<ConsumerFixture> {
  const settings = readWorkerSettings(environment);
  const connection = await connectBroker({ urls: settings.SEKALI_NATS_URLS, name: 'fixture' }, { waitForFirst: true });
  const { attemptsMax = 3, retryDelayMs = 100, transactionMsMax = 5_000, ...bounds } = options.settings ?? {};
  const pool = createPool({ url: settings.SEKALI_POSTGRES_URL, name: 'fixture', connectionsMax: 4, transactionMsMax });
  const told: ConsumerEvent[] = [];
  const observe = (event: ConsumerEvent): void => void told.push(event);
  const gate = new OutageGate(observe);
  const inbox = new Inbox(pool, inboxTables('sekali', 'store'), effectWith(options.afterStoring));
  const decode = eventDecoder(settings.SEKALI_SUBJECT_PREFIX, settings.SEKALI_EVENT_BYTES_MAX);
  const consumer = new IdempotentConsumer(
    {
      connection,
      durable: new DurableConsumer(connection, {
        stream: settings.SEKALI_STREAM,
        consumer: settings.SEKALI_CONSUMER,
        streamCreatedKey: STREAM_CREATED_METADATA,
      }),
      processor: new BatchProcessor(inbox, decode, gate, { attemptsMax, retryDelayMs }, observe),
      gate,
      streamIdOf: (incarnation) => streamIdOf(pool, incarnation),
      recreate: options.recreate ?? (() => Promise.reject(new Error('not allowed to make the consumer'))),
      observe,
    },
    { batchSize: 100, batchWaitMs: 5, batchesInFlight: 2, prefetch: 400, isolateAfterDeliveries: 3, ...bounds },
  );
  await consumer.start();
  return {
    connection,
    pool,
    told,
    stop: async () => {
      await consumer.stop();
      await connection.close();
      await pool.end();
    },
  };
}

function effectWith(afterStoring?: Effect<SekaliEvent>['apply']): Effect<SekaliEvent> {
  return {
    ...payloadComparison,
    apply: async (fresh, transaction) => {
      await insertEvents(transaction, transaction.streamId, fresh.map(newEvent));
      await afterStoring?.(fresh, transaction);
    },
  };
}
