/** A consumer with a handler of the test's own, on a real broker and a real Postgres. */
import { jetstream } from '@nats-io/jetstream';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { BatchProcessor, type ProcessorSettings } from '../batch-processor.js';
import { IdempotentConsumer } from '../consumer.js';
import type { ConsumerSettings } from '../consumer-settings.js';
import type { Decoder } from '../delivery.js';
import type { Effect } from '../effect.js';
import { DurableConsumer } from '../jetstream/durable-consumer.js';
import { OutageGate } from '../outage-gate.js';
import type { ConsumerEvent } from '../outcome.js';
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

/** The subject's second token is the topic, the body the id. */
const decode: Decoder<string> = (delivery) => {
  const eventId = Buffer.from(delivery.data).toString();
  const topic = delivery.subject.split('.')[1] ?? '';
  return { ok: true, message: { delivery, topic, eventId, digest: 1n, event: eventId } };
};

/** A system whose consumer calls a handler of the test's own. */
export class HandlerFixture {
  readonly told: ConsumerEvent[] = [];
  private consumer: IdempotentConsumer<string> | undefined;
  private pool: pg.Pool | undefined;

  private constructor(readonly system: TestSystem) {}

  /** Makes the system, and a table `kept` for handlers to write ids to: applied twice, one is there twice. */
  static async create(): Promise<HandlerFixture> {
    const system = await createTestSystem({ ackWaitMs: 10_000 });
    await system.pool.query('CREATE TABLE public.kept (id text NOT NULL)');
    return new HandlerFixture(system);
  }

  /** Starts the consumer. Nothing is stored before, so no event is known to be good. */
  async start(apply: Effect<string>['apply'], options: HandlerOptions = {}): Promise<void> {
    const { connection, streamName, consumerName, postgresUrl } = this.system;
    const observe = (event: ConsumerEvent): void => void this.told.push(event);
    const gate = new OutageGate(observe);
    this.pool = new pg.Pool({ connectionString: postgresUrl, max: 6, ...options.pool });
    this.pool.on('error', () => undefined);
    const settings = { ...SETTINGS, ...options.settings };
    const handler = {
      name: 'test',
      handlerMsMax: settings.handlerMsMax,
      stopping: gate.stopped,
      onLate: (error: unknown): void => observe({ type: 'late-statement', error }),
    };
    const inbox = new Inbox(this.pool, inboxTables('sekali', 'store'), { apply }, handler);
    this.consumer = new IdempotentConsumer(
      {
        connection,
        durable: new DurableConsumer(connection, {
          stream: streamName,
          consumer: consumerName,
          identityKey: 'sekali-identity',
        }),
        processor: new BatchProcessor(inbox, decode, gate, settings, observe),
        gate,
        history: {
          incarnation: () => Promise.resolve({ streamId: 1, segments: [] }),
          startOf: () => Promise.resolve(undefined),
          started: () => Promise.resolve(),
        },
        recreate: () => Promise.reject(new Error('not allowed to make the consumer')),
        observe,
      },
      settings,
    );
    await this.consumer.start();
  }

  async send(...ids: readonly string[]): Promise<void> {
    for (const id of ids)
      await jetstream(this.system.connection).publish(`${this.system.subjectPrefix}.orders`, id);
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
      { withinMs, describe: `${kept} events kept and ${dead} dead letters` },
    );
    return this.deadLetters();
  }

  hasTold(type: ConsumerEvent['type']): boolean {
    return this.told.some((event) => event.type === type);
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
    this.consumer = undefined;
  }

  /** Stops the consumer and removes the system. */
  async dispose(): Promise<void> {
    await this.stop();
    await this.pool?.end();
    await this.system.dispose();
  }
}
