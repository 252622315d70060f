/** Consumers that keep the order of keys, and a judge of it, on a real broker and a real Postgres. */
import { type ConsumerMessages, jetstream, jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import pg from 'pg';
import { createTestSystem, type TestSystem, untilSettled, waitFor } from '#testing';
import { createConsumer, type EventConsumer } from '../core/create-consumer.js';
import type { Decoder } from '../delivery.js';
import type { OnDeadLetter } from '../order/order-key.js';
import type { ConsumerBounds } from '../bounds.js';
import type { ConsumerEvent } from '../outcome.js';
import { APPEND, CREATE_HISTORY, decodeNumbered, type Numbered, ORDERED } from './numbered-events.js';

/** What a test may change of a worker. */
export interface WorkerOptions {
  /** Called before the effect. */
  readonly before?: (event: Numbered, worker: Pick<OrderedWorker, 'dieAt'>) => unknown;
  readonly settings?: Partial<ConsumerBounds>;
  readonly onDeadLetter?: OnDeadLetter;
  readonly orderBy?: (event: Numbered) => string;
  readonly decode?: Decoder<Numbered>;
}

/** One worker, with a pool and a connection of its own. */
export interface OrderedWorker {
  readonly observed: ConsumerEvent[];
  readonly consumer: EventConsumer;
  /** Has it die at a statement in the future: all its connections end, and it hears of nothing any more. */
  dieAt(statements: number): void;
  readonly isDead: boolean;
  /** Ends its connection to the brokers for good, and nothing else. */
  loseBrokers(): Promise<void>;
  stop(): Promise<void>;
}

const SETTINGS = {
  ...{ batchSize: 20, batchWaitMs: 2, prefetch: 60, attemptsMax: 4, retryDelayMs: 30 },
  ...{ isolateAfterDeliveries: 1_000, leaseMs: 1_500 },
};

/** A stream, and workers on it. */
export class OrderedFixture {
  private readonly workers: OrderedWorker[] = [];

  private constructor(readonly system: TestSystem) {}

  static async create(): Promise<OrderedFixture> {
    const system = await createTestSystem({ ackWaitMs: 2_000 });
    await system.pool.query(CREATE_HISTORY);
    return new OrderedFixture(system);
  }

  /** Starts a worker. It may be a standby. */
  async start({ before, settings, ...order }: WorkerOptions = {}): Promise<OrderedWorker> {
    const { system } = this;
    const connection = await connect({ servers: [...system.natsUrls] });
    const mortal = new MortalPool(system, () => connection.close());
    const observed: ConsumerEvent[] = [];
    const consumer = createConsumer<Numbered>({
      ...{ connection, pool: mortal.pool, stream: system.streamName, name: ORDERED, decode: decodeNumbered },
      ...{ orderBy: ({ key }) => key, ...order },
      settings: { ...SETTINGS, ...settings },
      observe: (event) => void observed.push(event),
      handler: async (event, { transaction }) => {
        await before?.(event, mortal);
        await transaction.query(APPEND, [event.key, event.n]);
      },
    });
    const worker: OrderedWorker = {
      ...{ observed, consumer },
      dieAt: (statements) => {
        mortal.dieAt(statements);
      },
      get isDead() {
        return mortal.isDead;
      },
      loseBrokers: () => connection.close(),
      stop: async () => {
        if (mortal.pool.ending) return;
        mortal.bury();
        await consumer.stop();
        await connection.close();
        await mortal.pool.end();
      },
    };
    this.workers.push(worker);
    await consumer.start();
    return worker;
  }

  /** Publishes events in this order. */
  async publish(events: readonly Numbered[]): Promise<void> {
    const stream = jetstream(this.system.connection);
    for (const event of events)
      await stream.publish(`${this.system.subjectPrefix}.numbered`, JSON.stringify(event));
  }

  /**
   * Asks for deliveries as another client of the consumer, and answers none of them. Resolves when the brokers have its
   * request, next to the one of a worker. The client itself sends a request later than its `fetch` returns.
   *
   * @returns the number of deliveries that it gets
   */
  async takeAway(count: number): Promise<() => Promise<number>> {
    const { connection, streamName } = this.system;
    const consumer = await jetstream(connection).consumers.get(streamName, ORDERED);
    // It ends with the last of them. A busy machine may take seconds to publish those that come before.
    const messages = await consumer.fetch({ max_messages: count, expires: 30_000 });
    const taken = counted(messages);
    // A failure shows where the number is asked for.
    taken.catch(() => undefined);
    const manager = await jetstreamManager(connection, { checkAPI: false });
    const areBothThere = async (): Promise<boolean> =>
      (await manager.consumers.info(streamName, ORDERED)).num_waiting >= 2;
    await waitFor(areBothThere, { timeoutMs: 20_000, describe: 'two requests for deliveries' });
    return () => taken;
  }

  /** Has the brokers deliver everything from a sequence on once more. */
  async rewind(seq: number): Promise<void> {
    const manager = await jetstreamManager(this.system.connection, { checkAPI: false });
    await manager.consumers.reset(this.system.streamName, ORDERED, seq);
  }

  /** The numbers of each key, in the order of their effects. */
  async histories(): Promise<ReadonlyMap<string, readonly number[]>> {
    const { rows } = await this.system.pool.query<{ key: string; numbers: number[] }>(
      'SELECT key, numbers FROM public.history ORDER BY key',
    );
    return new Map(rows.map(({ key, numbers }) => [key, numbers]));
  }

  /** Waits for a number of effects. @returns the numbers of each key */
  async applied(count: number, timeoutMs = 60_000): Promise<ReadonlyMap<string, readonly number[]>> {
    const total = async (): Promise<number> =>
      [...(await this.histories()).values()].reduce((sum, { length }) => sum + length, 0);
    await waitFor(async () => (await total()) >= count, { timeoutMs, describe: `${count} effects` });
    return this.histories();
  }

  /** Waits until the brokers have an answer to everything. */
  async settled(): Promise<void> {
    const manager = await jetstreamManager(this.system.connection, { checkAPI: false });
    await untilSettled(manager, this.system.streamName, ORDERED);
  }

  /** Returns rows of one of the consumer's tables. */
  async rows(table: string, columns: string): Promise<unknown[]> {
    const { rows } = await this.system.pool.query<Record<string, unknown>>(
      `SELECT ${columns} FROM inbox.${ORDERED}_${table} ORDER BY 1`,
    );
    return rows;
  }

  /** Stops the workers and removes the system. */
  async dispose(): Promise<void> {
    await Promise.all(this.workers.map((worker) => worker.stop()));
    await this.system.dispose();
  }
}

/**
 * A pool that dies at a statement: its connections end, and neither this statement nor a later one has an answer. Only
 * when it is buried do they fail, so that what waits for them can end.
 */
class MortalPool {
  readonly pool: pg.Pool;
  isDead = false;
  private left = Infinity;
  private isBuried = false;
  private readonly waiting: ((error: Error) => void)[] = [];
  private readonly clients = new Set<pg.PoolClient>();

  constructor(
    private readonly system: TestSystem,
    private readonly onDeath: () => Promise<void>,
  ) {
    const inner = new pg.Pool({ connectionString: system.postgresUrl, max: 6 });
    inner.on('error', () => undefined);
    const connectInner = inner.connect.bind(inner) as (...args: unknown[]) => unknown;
    inner.on('connect', (client) => {
      this.clients.add(client);
      const query = client.query.bind(client) as (...args: unknown[]) => unknown;
      client.query = ((...args: unknown[]) => (this.takes() ? query(...args) : this.noAnswer(args))) as never;
    });
    inner.connect = ((...args: unknown[]) =>
      this.isDead ? this.noAnswer(args) : connectInner(...args)) as never;
    this.pool = inner;
  }

  dieAt(statements: number): void {
    this.left = statements;
  }

  /** Ends every wait for a dead pool. */
  bury(): void {
    this.isBuried = this.isDead;
    if (this.isBuried) for (const fail of this.waiting.splice(0)) fail(new ConnectionLostError());
  }

  private takes(): boolean {
    if (this.isDead) return false;
    this.left -= 1;
    if (this.left > 0) return true;
    this.isDead = true;
    this.onDeath().catch(() => undefined);
    const ids = [...this.clients].map((client) => (client as unknown as { processID: number }).processID);
    for (const client of this.clients) client.on('error', () => undefined);
    this.system.pool
      .query('SELECT pg_terminate_backend(id) FROM unnest($1::integer[]) AS id', [ids])
      .catch(() => undefined);
    return false;
  }

  private noAnswer(args: readonly unknown[]): Promise<never> {
    const answer = new Promise<never>((_resolve, reject) => {
      if (this.isBuried) reject(new ConnectionLostError());
      else this.waiting.push(reject);
    });
    const callback = args.at(-1);
    answer.catch((error: unknown) => {
      if (typeof callback === 'function') (callback as (failure: unknown) => void)(error);
    });
    return answer;
  }
}

/** As pg reports it. */
class ConnectionLostError extends Error {
  readonly code = 'ECONNRESET';
}

async function counted(messages: ConsumerMessages): Promise<number> {
  let count = 0;
  for await (const message of messages) count += message.seq > 0 ? 1 : 0;
  return count;
}
