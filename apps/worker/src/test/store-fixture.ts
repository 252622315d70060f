/** A consumer of `store` and its database, which a test damages. */
import { expect } from '@jest/globals';
import type { Pool } from 'pg';
import type { ConsumerEvent } from '#idempotent-consumer';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  type ConsumerFixture,
  type ConsumerFixtureOptions,
  publishEvent,
  startConsumer,
} from './consumer-fixture.js';

/** A row of `sekali.dead_letter`, as tests compare it. */
export interface DeadLetterRow {
  readonly event_id: string | null;
  readonly reason: string;
  readonly detail: string;
}

/** A system of its own with one consumer at a time. Counts what is sent, and keeps what the consumer reports. */
export class StoreFixture {
  /** What the consumer has reported since the last start, or since a test emptied it. */
  observed: ConsumerEvent[] = [];
  /** Events that were sent; the number of the next one. */
  sent = 0;
  readonly pool: Pool;
  private consumer: ConsumerFixture | undefined;

  private constructor(readonly system: TestSystem) {
    this.pool = system.pool;
  }

  static async create(): Promise<StoreFixture> {
    return new StoreFixture(await createTestSystem({ ackWaitMs: 10_000 }));
  }

  /**
   * Starts the consumer. Resolves when it pulls.
   *
   * @param postgresUrl the login of the consumer; the default is the owner of the database
   */
  async start(options: ConsumerFixtureOptions = {}, postgresUrl?: string): Promise<void> {
    this.observed = [];
    this.consumer = await startConsumer(
      { ...this.system.environment, ...(postgresUrl !== undefined && { SEKALI_POSTGRES_URL: postgresUrl }) },
      { ...options, observe: (event) => void this.observed.push(event) },
    );
  }

  async stop(): Promise<void> {
    await this.consumer?.stop();
    this.consumer = undefined;
  }

  async dispose(): Promise<void> {
    await this.stop();
    await this.system.dispose();
  }

  /** Publishes events with the ids `<prefix>-<number>`. */
  async send(count: number, prefix = 'good', payload?: string): Promise<void> {
    for (let n = 0; n < count; n++) {
      await publishEvent(this.system, {
        id: `${prefix}-${this.sent++}`,
        ...(payload !== undefined && { payload }),
      });
    }
  }

  /** Runs statements as the owner of the database. */
  async sql(...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await this.pool.query(statement);
  }

  /**
   * Adds a trigger on the stored events.
   *
   * @param body PL/pgSQL that runs for each of them
   * @param condition SQL that says for which events it runs
   */
  async addTrigger(body: string, condition = 'true'): Promise<void> {
    await this.sql(
      `CREATE FUNCTION sekali.disturb() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN IF ${condition} THEN ${body}; END IF; RETURN NEW; END $$`,
      'CREATE TRIGGER disturb BEFORE INSERT ON sekali.event FOR EACH ROW EXECUTE FUNCTION sekali.disturb()',
    );
  }

  async dropTrigger(): Promise<void> {
    await this.sql('DROP TRIGGER disturb ON sekali.event');
  }

  async deadLetters(): Promise<DeadLetterRow[]> {
    const { rows } = await this.pool.query<DeadLetterRow & Record<string, unknown>>(
      'SELECT event_id, reason, detail FROM sekali.dead_letter ORDER BY seq',
    );
    return rows;
  }

  /** Waits until the consumer has reported something. */
  async reported(type: ConsumerEvent['type']): Promise<void> {
    await waitFor(() => this.observed.some((event) => event.type === type), {
      timeoutMs: 30_000,
      describe: `the consumer to report "${type}"`,
    });
  }
}

/** Waits until some time has passed. */
export async function longerThan(ms: number): Promise<void> {
  const sinceMs = performance.now();
  await waitFor(() => performance.now() - sinceMs > ms, {
    timeoutMs: ms + 30_000,
    describe: `${ms} ms to pass`,
  });
}

/** Gives the consumer enough time to give an event up, then expects that it has given up none. */
export async function expectNothingGivenUp(store: StoreFixture): Promise<void> {
  await store.reported('defect-began');
  // Three attempts with their delays take less.
  await longerThan(1_500);
  expect(await store.deadLetters()).toEqual([]);
}
