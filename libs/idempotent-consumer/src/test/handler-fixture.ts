import { AckPolicy, type ConsumerInfo, DeliverPolicy, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { Module, type Provider, type Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import type { MicroserviceOptions } from '@nestjs/microservices';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { BatchProcessor } from '../batch-processor.js';
import { connectionsNeeded } from '../bounds.js';
import { IdempotentConsumer } from '../consumer.js';
import type { ConsumerSettings } from '../consumer-settings.js';
import type { Decoder } from '../delivery.js';
import type { Effect, EventEffect } from '../effect.js';
import { DurableConsumer } from '../jetstream/durable-consumer.js';
import { consumersOf } from '../nest/once-per-event.js';
import type { PullConsumerOptions } from '../pull-consumer-options.js';
import { ErrorPassage, PullConsumerStrategy } from '../nest/pull-consumer-strategy.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent } from '../outcome.js';
import type { ProcessorSettings } from '../processor-settings.js';
import type { StreamHistory } from '../stream-history.js';
import { Inbox } from '../postgres/inbox.js';
import { createInbox } from '../postgres/create-inbox.js';
import { type InboxTables, inboxTables } from '../postgres/inbox-tables.js';

/** What a test may change of the consumer. */
export interface HandlerOptions {
  readonly settings?: Partial<ConsumerSettings & ProcessorSettings>;
  /** Bounds of the pool's connections. By default there are none. */
  readonly pool?: pg.PoolConfig;
  /** How deliveries are read. The default is `decode` of the fixture. */
  readonly decode?: Decoder<string>;
}

/** What a test may change of an application of Nest. */
export interface NestOptions {
  readonly transport?: Partial<PullConsumerOptions<unknown>>;
  readonly providers?: readonly Provider[];
}

/** One dead letter. */
export interface DeadLetterRow {
  readonly event_id: string;
  readonly reason: string;
  readonly detail: string;
}

const ACK_WAIT_MS = 10_000;
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

const IDENTITY_KEY = 'identity';
const HISTORY: StreamHistory = {
  incarnation: () => Promise.resolve({ streamId: 1, segments: [] }),
  startOf: () => Promise.resolve(undefined),
  started: () => Promise.resolve(),
};

function refuseToCreate(): Promise<never> {
  return Promise.reject(new Error('not allowed to create the consumer'));
}

/** The subject's second token is the topic, the body the id. */
const decode: Decoder<string> = (delivery) => {
  const eventId = Buffer.from(delivery.data).toString();
  const topic = delivery.subject.split('.')[1] ?? '';
  return { ok: true, message: { delivery, topic, eventId, digest: 1n, event: eventId } };
};

/** A consumer with a handler of the test's own, on a real broker and a real Postgres. */
export class HandlerFixture {
  readonly observed: ConsumerEvent[] = [];
  /** The subject's second token is the topic, and the body the id. */
  readonly decode: Decoder<string> = decode;
  private stopRunning: (() => Promise<void>) | undefined;
  private pool: pg.Pool | undefined;

  private constructor(
    readonly system: TestSystem,
    private readonly tables: InboxTables,
  ) {}

  /**
   * Creates the system, and a table `kept` to which handlers write ids. Nothing makes them unique, so a
   * repeated effect shows.
   */
  static async create(ackWaitMs = ACK_WAIT_MS): Promise<HandlerFixture> {
    const system = await createTestSystem({ ackWaitMs });
    await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
    return new HandlerFixture(system, await createInbox(system.pool, { consumer: 'test' }));
  }

  /**
   * Starts a consumer whose handler takes batches. Nothing was stored before, so no message is known to be
   * good.
   */
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
    const inbox = new Inbox(this.createPool(options.pool), this.tables, effect, handler);
    const address = { stream: streamName, consumer: consumerName, identityKey: IDENTITY_KEY };
    const consumer = new IdempotentConsumer(
      {
        source: new DurableConsumer(connection, address),
        processor: new BatchProcessor(inbox, options.decode ?? decode, gate, settings, this.observe),
        gate,
        history: HISTORY,
        recreate: refuseToCreate,
        observe: this.observe,
      },
      settings,
    );
    this.stopRunning = () => consumer.stop();
    await consumer.start();
  }

  /**
   * Starts an application of Nest with these controllers. The pattern of a handler is the name of its
   * consumer.
   */
  async startNest(
    controllers: readonly Type[],
    decoder: Decoder<unknown>,
    options: NestOptions = {},
  ): Promise<PullConsumerStrategy<unknown>> {
    @Module({ controllers: [...controllers], providers: [...(options.providers ?? [])] })
    class Handlers {}
    const { connection, streamName } = this.system;
    const strategy = new PullConsumerStrategy<unknown>({
      connection,
      pool: this.createPool({ max: connectionsNeeded(consumersOf(controllers).length, SETTINGS) }),
      stream: streamName,
      decode: decoder,
      tablesOf: (pattern) => this.tablesOf(pattern),
      historyOf: () => HISTORY,
      prepare: () => Promise.resolve(),
      recreate: refuseToCreate,
      observerOf: () => this.observe,
      ...options.transport,
      settings: { ...SETTINGS, ...options.transport?.settings },
    });
    const app = await NestFactory.createMicroservice<MicroserviceOptions>(Handlers, {
      logger: false,
      strategy,
    });
    app.useGlobalFilters(new ErrorPassage());
    this.stopRunning = () => app.close();
    await app.listen();
    return strategy;
  }

  /** Creates another durable consumer of the stream, with an inbox of its own. */
  async addConsumer(name: string): Promise<void> {
    const { connection, streamName, pool } = this.system;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    await manager.consumers.add(streamName, {
      durable_name: name,
      ack_policy: AckPolicy.Explicit,
      deliver_policy: DeliverPolicy.All,
      ack_wait: nanos(ACK_WAIT_MS),
      max_ack_pending: 50_000,
    });
    await createInbox(pool, { consumer: name });
  }

  /** Returns the inbox of a handler. `store` is the consumer that every system has; others were added. */
  tablesOf(pattern: string): InboxTables {
    return pattern === 'store' ? this.tables : inboxTables({ consumer: pattern });
  }

  /** Returns how many rows a table of a handler's inbox has. */
  async rowsOf(pattern: string, table: 'key' | 'duplicate' | 'deadLetter'): Promise<number> {
    const { rows } = await this.system.pool.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM ${this.tablesOf(pattern)[table]}`,
    );
    return rows[0]?.count ?? 0;
  }

  private readonly observe = (event: ConsumerEvent): void => void this.observed.push(event);

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

  /** Returns the ids that handlers kept, sorted. */
  async kept(): Promise<string[]> {
    const { rows } = await this.system.pool.query<{ id: string }>('SELECT id FROM public.kept ORDER BY id');
    return rows.map(({ id }) => id);
  }

  async deadLetters(): Promise<DeadLetterRow[]> {
    const { rows } = await this.system.pool.query<DeadLetterRow>(
      `SELECT event_id, reason, detail FROM ${this.tables.deadLetter} ORDER BY seq`,
    );
    return rows;
  }

  /** Waits until this many events are kept and this many are dead letters. @returns the dead letters */
  async settled(kept: number, dead: number, timeoutMs = 30_000): Promise<DeadLetterRow[]> {
    await waitFor(
      async () => (await this.kept()).length >= kept && (await this.deadLetters()).length >= dead,
      { timeoutMs, describe: `${kept} events kept and ${dead} dead letters` },
    );
    return this.deadLetters();
  }

  /** Returns the consumer, as the broker reports it. */
  async info(): Promise<ConsumerInfo> {
    const { connection, streamName, consumerName } = this.system;
    const manager = await jetstreamManager(connection, { checkAPI: false });
    return manager.consumers.info(streamName, consumerName);
  }

  /** Waits until every message is settled. */
  async nothingUnsettled(): Promise<void> {
    const unsettled = async (): Promise<number> => {
      const { num_pending: pending, num_ack_pending: unacked } = await this.info();
      return pending + unacked;
    };
    await waitFor(async () => (await unsettled()) === 0, {
      timeoutMs: 20_000,
      describe: 'every message to be settled',
    });
  }

  hasObserved(type: ConsumerEvent['type']): boolean {
    return this.observed.some((event) => event.type === type);
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
