/** A consumer with a handler of the test's own, on a real broker and a real Postgres. */
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Module, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { BatchProcessor } from '../batch-processor.js';
import { IdempotentConsumer } from '../consumer.js';
import type { ConsumerSettings } from '../consumer-settings.js';
import type { Decoder } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import { DurableConsumer } from '../jetstream/durable-consumer.js';
import { ErrorPassage, PullConsumerStrategy } from '../nest/pull-consumer-strategy.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent } from '../outcome.js';
import type { ProcessorSettings } from '../processor-settings.js';
import type { StreamHistory } from '../stream-history.js';
import { Inbox } from '../postgres/inbox.js';
import { inboxTables } from '../postgres/inbox-statements.js';

/** What a test may change. */
export interface HandlerOptions {
  readonly settings?: Partial<ConsumerSettings & ProcessorSettings>;
  /** Bounds that the pool's connections carry; none when left out. */
  readonly pool?: pg.PoolConfig;
}

/** One dead letter. */
export interface DeadLetterRow {
  readonly event_id: string;
  readonly reason: string;
  readonly detail: string;
}

const SETTINGS = {
  batchSize: 100,
  batchBytes: 8_000_000,
  batchWaitMs: 50,
  batchesInFlight: 2,
  prefetch: 400,
  prefetchBytes: 32_000_000,
  isolateAfterDeliveries: 1_000,
  attemptsMax: 2,
  retryDelayMs: 50,
  handlerMsMax: 20_000,
};

const TABLES = inboxTables('sekali', 'store');
const IDENTITY_KEY = 'identity';
const HISTORY: StreamHistory = {
  incarnation: () => Promise.resolve({ streamId: 1, segments: [] }),
  startOf: () => Promise.resolve(undefined),
  started: () => Promise.resolve(),
};

function refuseToMake(): Promise<never> {
  return Promise.reject(new Error('not allowed to make the consumer'));
}

/** The subject's second token is the topic, the body the id. */
const decode: Decoder<string> = (delivery) => {
  const eventId = Buffer.from(delivery.data).toString();
  const topic = delivery.subject.split('.')[1] ?? '';
  return { ok: true, message: { delivery, topic, eventId, digest: 1n, event: eventId } };
};

/** A system whose consumer calls a handler of the test's own. */
export class HandlerFixture {
  readonly told: ConsumerEvent[] = [];
  private stopRunning: (() => Promise<void>) | undefined;
  private pool: pg.Pool | undefined;

  private constructor(readonly system: TestSystem) {}

  /** Makes the system, and a table `kept` for handlers to write ids to: applied twice, one is there twice. */
  static async create(): Promise<HandlerFixture> {
    const system = await createTestSystem({ ackWaitMs: 10_000 });
    await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
    return new HandlerFixture(system);
  }

  /** Starts a consumer whose handler takes batches. Nothing is stored before, so no event is known to be good. */
  async start(apply: Effect<string>['apply'], options: HandlerOptions = {}): Promise<void> {
    await this.startWith({ apply }, options);
  }

  /** Starts a consumer with an effect. */
  async startWith(effect: Effect<string> | EventEffect<string>, options: HandlerOptions = {}): Promise<void> {
    const { connection, streamName, consumerName } = this.system;
    const gate = new OutageGate(this.observe);
    const settings = { ...SETTINGS, ...options.settings };
    const handler = {
      name: 'test',
      handlerMsMax: settings.handlerMsMax,
      stopping: gate.stopped,
      onLate: (error: unknown): void => this.observe({ type: 'late-statement', error }),
    };
    const inbox = new Inbox(this.createPool(options.pool), TABLES, effect, handler);
    const address = { stream: streamName, consumer: consumerName, identityKey: IDENTITY_KEY };
    const consumer = new IdempotentConsumer(
      {
        connection,
        durable: new DurableConsumer(connection, address),
        processor: new BatchProcessor(inbox, decode, gate, settings, this.observe),
        gate,
        history: HISTORY,
        recreate: refuseToMake,
        observe: this.observe,
      },
      settings,
    );
    this.stopRunning = () => consumer.stop();
    await consumer.start();
  }

  /** Starts an application of Nest with these controllers. The pattern of a handler is the name of its consumer. */
  async startNest(controllers: readonly Type[], decoder: Decoder<unknown>): Promise<void> {
    @Module({ controllers: [...controllers] })
    class Handlers {}
    const { connection, streamName } = this.system;
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(Handlers, {
      logger: false,
      strategy: new PullConsumerStrategy<unknown>({
        connection,
        pool: this.createPool(),
        stream: streamName,
        identityKey: IDENTITY_KEY,
        decode: decoder,
        settings: SETTINGS,
        durableOf: (pattern) => pattern,
        tablesOf: () => TABLES,
        comparisonOf: () => ({}),
        historyOf: () => HISTORY,
        prepare: () => Promise.resolve(),
        recreate: refuseToMake,
        observerOf: () => this.observe,
      }),
    });
    app.useGlobalFilters(new ErrorPassage());
    this.stopRunning = () => app.close();
    await app.listen();
  }

  private readonly observe = (event: ConsumerEvent): void => void this.told.push(event);

  private createPool(config: pg.PoolConfig = {}): pg.Pool {
    this.pool = new pg.Pool({ connectionString: this.system.postgresUrl, max: 6, ...config });
    this.pool.on('error', () => undefined);
    return this.pool;
  }

  async send(...ids: readonly string[]): Promise<void> {
    for (const id of ids) await this.publish('orders', id);
  }

  async publish(topic: string, body: string): Promise<void> {
    await jetstream(this.system.connection).publish(`${this.system.subjectPrefix}.${topic}`, body);
  }

  /** What handlers kept, sorted. */
  async kept(): Promise<string[]> {
    const { rows } = await this.system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
    return rows.map(({ id }) => id);
  }

  async deadLetters(): Promise<DeadLetterRow[]> {
    const { rows } = await this.system.pool.query<DeadLetterRow>(
      'SELECT event_id, reason, detail FROM sekali.dead_letter ORDER BY seq',
    );
    return rows;
  }

  /** Waits until so many events are kept and given up. @returns the dead letters */
  async settled(kept: number, dead: number, withinMs = 30_000): Promise<DeadLetterRow[]> {
    await waitFor(
      async () => (await this.kept()).length >= kept && (await this.deadLetters()).length >= dead,
      { timeoutMs: withinMs, describe: `${kept} events kept and ${dead} dead letters` },
    );
    return this.deadLetters();
  }

  /** Waits until the broker has an answer to every message. */
  async nothingUnsettled(): Promise<void> {
    const { connection, streamName, consumerName } = this.system;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const unsettled = async (): Promise<number> => {
      const { num_pending: pending, num_ack_pending: unacked } = await manager.consumers.info(
        streamName,
        consumerName,
      );
      return pending + unacked;
    };
    await waitFor(async () => (await unsettled()) === 0, {
      timeoutMs: 20_000,
      describe: 'all to be settled',
    });
  }

  hasTold(type: ConsumerEvent['type']): boolean {
    return this.told.some((event) => event.type === type);
  }

  async stop(): Promise<void> {
    await this.stopRunning?.();
    this.stopRunning = undefined;
    await this.pool?.end();
    this.pool = undefined;
  }

  /** Stops the consumer and removes the system. */
  async dispose(): Promise<void> {
    await this.stop();
    await this.system.dispose();
  }
}
