/** A consumer in the process of a test, built as the worker builds it, with an effect of the test. */
import { expect } from '@jest/globals';
import { type NatsConnection, nuid } from '@nats-io/nats-core';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import { BrokerWatch, MovableConnection, STREAM_IDENTITY_METADATA } from '#broker';
import { readWorkerSettings, type WorkerSettings } from '#config';
import type { SekaliEvent } from '#contracts';
import type { ConsumerEvent } from '#idempotent-consumer';
import {
  BatchProcessor,
  type ConsumerSettings,
  DurableConsumer,
  type Effect,
  IdempotentConsumer,
  Inbox,
  OutageGate,
} from '#idempotent-consumer/parts';
import { createLogger } from '#observability';
import { createPool } from '#postgres';
import { insertEvents, storeInboxTables } from '#store';
import { type TestSystem, untilSettled, waitFor } from '#testing';
import { eventDecoder } from '../event-decoder.js';
import { newEvent, payloadComparison, STORE_CONSUMER } from '../event-recorder.js';
import { historyOf } from '../stream-history.js';
import { TopicBound } from '../topic-bound.js';

/** The options of a consumer that a test may change. */
export interface ConsumerFixtureOptions {
  readonly settings?: Partial<
    ConsumerSettings & { attemptsMax: number; retryDelayMs: number; transactionMsMax: number }
  >;
  /** Runs in the transaction, after the events have been stored. */
  readonly afterStoring?: Effect<SekaliEvent>['apply'];
  readonly recreate?: () => Promise<void>;
  /** Called for everything that the consumer reports, also while it starts. */
  readonly observe?: (event: ConsumerEvent) => void;
}

/** A running consumer. */
export interface ConsumerFixture {
  readonly connection: NatsConnection;
  readonly pool: Pool;
  /** Everything that it has reported, in order. */
  readonly observed: ConsumerEvent[];
  stop(): Promise<void>;
}

/**
 * Starts a consumer. Resolves when it pulls.
 *
 * @param environment the settings of a worker, with the addresses of the brokers and the database
 */
export async function startConsumer(
  environment: Readonly<Record<string, string | undefined>>,
  options: ConsumerFixtureOptions = {},
): Promise<ConsumerFixture> {
  const settings = readWorkerSettings(environment);
  const movable = await MovableConnection.open(
    { urls: settings.SEKALI_NATS_URLS, name: 'fixture' },
    { waitForFirst: true },
  );
  const { connection } = movable;
  const { transactionMsMax = 5_000, ...changed } = options.settings ?? {};
  const bounds = { ...DEFAULT_BOUNDS, ...changed };
  const pool = createPool({
    url: settings.SEKALI_POSTGRES_URL,
    name: 'fixture',
    connectionsMax: 4,
    transactionMsMax,
  });
  const observed: ConsumerEvent[] = [];
  const observe = (event: ConsumerEvent): void => {
    observed.push(event);
    options.observe?.(event);
  };
  const gate = new OutageGate(observe);
  const inbox = new Inbox(pool, storeInboxTables(STORE_CONSUMER), effectWith(options.afterStoring));
  const topics = new TopicBound(settings, pool);
  const decode = topics.decoder(
    eventDecoder(settings.SEKALI_SUBJECT_PREFIX, settings.SEKALI_EVENT_BYTES_MAX),
  );
  const consumer = new IdempotentConsumer(
    {
      moveTo: (broker, signal) => movable.moveTo(broker, signal),
      source: durableOf(connection, settings, new BrokerWatch(movable)),
      processor: topics.decider(new BatchProcessor(inbox, decode, gate, bounds, observe)),
      gate,
      history: historyOf(settings, { connection, pool, inbox: STORE_CONSUMER, logger: SILENT }),
      recreate: options.recreate ?? (() => Promise.reject(new Error('this consumer may not be created'))),
      observe,
    },
    bounds,
  );
  await consumer.start();
  const stop = async (): Promise<void> => {
    await consumer.stop();
    await connection.close();
    await pool.end();
  };
  return { connection, pool, observed, stop };
}

const SILENT = createLogger('fixture', 'silent');
const DEFAULT_BOUNDS = {
  batchSize: 100,
  batchBytes: 8_000_000,
  batchWaitMs: 5,
  batchesInFlight: 2,
  prefetch: 400,
  prefetchBytes: 32_000_000,
  isolateAfterDeliveries: 3,
  attemptsMax: 3,
  retryDelayMs: 100,
  probesStore: true,
};

function durableOf(
  connection: NatsConnection,
  settings: WorkerSettings,
  watch: BrokerWatch,
): DurableConsumer {
  const address = {
    stream: settings.SEKALI_STREAM,
    consumer: settings.SEKALI_CONSUMER,
    identityKey: STREAM_IDENTITY_METADATA,
  };
  return new DurableConsumer(connection, address, watch);
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

/** An event that a test publishes. */
export interface TestEvent {
  readonly topic?: string;
  readonly id: string;
  /** The JSON text of an object. */
  readonly payload?: string;
  /** Leave it out for a message that the duplicate window does not drop, as after its end. */
  readonly messageId?: string;
}

/**
 * Publishes an event to the brokers directly.
 *
 * @returns its stream sequence
 */
export async function publishEvent(
  system: { readonly connection: NatsConnection; readonly subjectPrefix: string },
  event: TestEvent,
): Promise<number> {
  const { topic = 'orders', id, payload = '{}', messageId } = event;
  const body = `{"event_id":${JSON.stringify(id)},"timestamp":"2026-11-22T10:00:00Z","source":"test","payload":${payload}}`;
  const ack = await jetstream(system.connection).publish(`${system.subjectPrefix}.${topic}`, body, {
    // The default is a unique id, because a publish that the client repeats must not become two messages.
    msgID: messageId ?? nuid.next(),
    // The timeout is short, so that a caller that repeats the publish does not wait for a broker that will not answer.
    timeout: 2_000,
    retries: 5,
  });
  return ack.seq;
}

/** The numbers of rows in the database, and the counters. */
export interface Ledger {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  readonly events: number;
  /** The same figures from the counters. */
  readonly counted: { stored: number; duplicates: number; conflicts: number; deadLetters: number };
}

/** Reads the rows and the counters. */
export async function readLedger(pool: Pool): Promise<Ledger> {
  const { rows } = await pool.query<Record<string, number>>(`
    SELECT (SELECT count(*)::int FROM sekali.event_key) AS stored,
      (SELECT count(*)::int FROM sekali.event) AS events,
      (SELECT count(*)::int FROM sekali.duplicate) AS duplicates,
      (SELECT count(*)::int FROM sekali.duplicate WHERE conflict) AS conflicts,
      (SELECT count(*)::int FROM sekali.dead_letter) AS dead,
      coalesce(sum(stored), 0)::int AS counted_stored, coalesce(sum(duplicates), 0)::int AS counted_duplicates,
      coalesce(sum(conflicts), 0)::int AS counted_conflicts, coalesce(sum(dead_letters), 0)::int AS counted_dead
    FROM sekali.counter`);
  const row = rows[0] ?? {};
  const figure = (name: string): number => row[name] ?? NaN;
  return {
    stored: figure('stored'),
    events: figure('events'),
    duplicates: figure('duplicates'),
    conflicts: figure('conflicts'),
    deadLetters: figure('dead'),
    counted: {
      stored: figure('counted_stored'),
      duplicates: figure('counted_duplicates'),
      conflicts: figure('counted_conflicts'),
      deadLetters: figure('counted_dead'),
    },
  };
}

/** The ledger of a system in which exactly this happened. */
export function ledgerOf(stored: number, duplicates = 0, conflicts = 0, deadLetters = 0): Ledger {
  const counted = { stored, duplicates, conflicts, deadLetters };
  return { ...counted, events: stored, counted };
}

/** Waits until as many messages are settled as expected, then compares all figures. */
export async function ledgerBecomes(
  { pool }: Pick<TestSystem, 'pool'>,
  expected: Ledger,
  timeoutMs = 40_000,
): Promise<void> {
  const total = expected.stored + expected.duplicates + expected.deadLetters;
  await waitFor(
    async () => {
      const { stored, duplicates, deadLetters } = await readLedger(pool);
      return stored + duplicates + deadLetters >= total;
    },
    { timeoutMs, describe: `${total} messages settled` },
  );
  expect(await readLedger(pool)).toEqual(expected);
}

/** Counts the messages that are not acknowledged, delivered or not. */
export async function unsettled(
  system: Pick<TestSystem, 'connection' | 'streamName' | 'consumerName'>,
): Promise<number> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const info = await manager.consumers.info(system.streamName, system.consumerName);
  return info.num_pending + info.num_ack_pending;
}

/** Waits until every message is acknowledged. */
export async function nothingUnsettled(system: Parameters<typeof unsettled>[0]): Promise<void> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await untilSettled(manager, system.streamName, system.consumerName);
}
