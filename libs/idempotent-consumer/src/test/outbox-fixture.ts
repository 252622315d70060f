/** An outbox on a real Postgres, a real stream for its events, and what a test starts on both. */
import pg from 'pg';
import { createTestSystem, type TestSystem } from '#testing';
import { Outbox, type OutboxOptions } from '../outbox/outbox.js';
import { OutboxRelay } from '../outbox/outbox-relay.js';
import type { OutboxRelayOptions } from '../outbox/relay-options.js';
import { StreamEventPublisher } from '../producer/stream-event-publisher.js';

const SOURCE = 'shop';
const CONNECTIONS_MAX = 12;

/** What a relay of a test has to be given. */
type RelayOptions = Partial<OutboxRelayOptions> & Pick<OutboxRelayOptions, 'publisher'>;

/** An outbox in the schema `outbox`. What was started on it ends with it, also after a test that failed. */
export class OutboxFixture {
  private readonly relays: OutboxRelay[] = [];
  private readonly publishers: StreamEventPublisher[] = [];

  private constructor(
    readonly system: TestSystem,
    readonly pool: pg.Pool,
    readonly outbox: Outbox,
  ) {}

  static async create(options: Partial<OutboxOptions> = {}): Promise<OutboxFixture> {
    const system = await createTestSystem();
    const pool = new pg.Pool({ connectionString: system.postgresUrl, max: CONNECTIONS_MAX });
    pool.on('error', () => undefined);
    const outbox = new Outbox({ source: SOURCE, ...options });
    // Twice, as by two processes of one service.
    await Promise.all([outbox.create(pool), outbox.create(pool)]);
    return new OutboxFixture(system, pool, outbox);
  }

  /** Opens a publisher to the stream, or to subjects that no stream has. */
  openPublisher(subjectPrefix = this.system.subjectPrefix): StreamEventPublisher {
    const { connection, streamName: stream } = this.system;
    const publisher = new StreamEventPublisher({ connection, stream, subjectPrefix, source: SOURCE });
    this.publishers.push(publisher);
    return publisher;
  }

  startRelay(options: RelayOptions): OutboxRelay {
    const { pool, outbox } = this;
    const relay = new OutboxRelay({ pool, outbox, ...options });
    this.relays.push(relay);
    relay.start();
    return relay;
  }

  /** Runs work in a transaction. @param end what ends it */
  async inTransaction(
    work: (client: pg.PoolClient) => Promise<unknown>,
    end: 'COMMIT' | 'ROLLBACK' = 'COMMIT',
  ): Promise<void> {
    const client = await this.pool.connect();
    try {
      await client.query('BEGIN');
      await work(client);
      await client.query(end);
    } finally {
      client.release();
    }
  }

  async dispose(): Promise<void> {
    await Promise.all(this.relays.map((relay) => relay.stop()));
    await Promise.all(this.publishers.map((publisher) => publisher.stop()));
    await this.pool.end();
    await this.system.dispose();
  }
}
