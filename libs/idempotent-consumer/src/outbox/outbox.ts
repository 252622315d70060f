/**
 * An outbox: events that are committed together with what they report.
 *
 *   caller's transaction: change a row, add an event ─COMMIT─▶ relay ─▶ stream
 *                                                  └ROLLBACK─▶ neither is there
 *
 * A publish after the commit is lost when the process dies in between. A publish before it reports what may be rolled
 * back. So the event is a row of the same transaction, and a relay publishes committed rows (outbox-relay.ts).
 */
import type { Pool } from 'pg';
import { activeTrace } from '../traces/span-context.js';
import { type AnyEvent, EventForm, type EventFormOptions, type Topics } from '../producer/new-event.js';
import { createOutbox, type OutboxName, type OutboxTables, outboxTables } from './outbox-tables.js';

/** The transaction that gets the event: TypeORM's `EntityManager`, a client of `pg`, or the `transaction` of a handler. */
export interface OutboxTransaction {
  query(statement: string, values?: unknown[]): Promise<unknown>;
}

/** The schema of the outbox, and how its events are written. `source` is required. */
export interface OutboxOptions<T extends Topics = Topics> extends OutboxName, EventFormOptions<T> {}

/** An event for an outbox. */
export type OutboxEvent<T extends Topics = Topics> = AnyEvent<T> & {
  /**
   * What the event is about, such as the number of an account. Where the relay holds what is behind a dead letter, it
   * holds the events of the same topic and key.
   */
  readonly key?: string;
};

/** An event that the brokers refuse, or one that is held behind it. */
export interface OutboxDeadLetter {
  readonly number: string;
  readonly topic: string;
  readonly eventId: string;
  readonly key: string | null;
  /** `dead`: it was refused. `held`: one of its key is dead. `released`: it is published again. */
  readonly state: 'dead' | 'held' | 'released';
  readonly reason: string;
  /** The event as JSON text. */
  readonly body: string;
}

const KEY_LENGTH_MAX = 512;
const LISTED_MAX = 10_000;

/** Adds events to an outbox. It keeps nothing in memory, so each process may have one. */
export class Outbox<T extends Topics = Topics> {
  /** The tables, for a relay. */
  readonly tables: OutboxTables;
  private readonly form: EventForm<T>;
  private readonly statement: string;

  /** @throws OutboxNameError when no schema can have the name */
  constructor(private readonly options: OutboxOptions<T>) {
    this.tables = outboxTables(options);
    this.form = new EventForm(options);
    this.statement = `SELECT ${this.tables.add}($1, $2, $3, $4, $5, $6)`;
  }

  /**
   * Creates the tables where they are missing, and upgrades those of an earlier version.
   *
   * @param pool connections of a role that may create them
   * @throws OutboxNameError when the outbox cannot be there; the message says what to change
   * @throws OutboxBusyError when a backup or a long transaction is in the way of an upgrade; call it again after that
   */
  async create(pool: Pool): Promise<void> {
    await createOutbox(pool, this.options);
  }

  /**
   * Adds an event in the caller's transaction. It is published after the commit, and never after a rollback. The trace of
   * the span that the caller is in goes with it.
   *
   * Events of one topic are published in the order in which they were added, where one transaction had committed before
   * the other added its event. So change the row that both transactions change first, and add the event after it.
   *
   * @param transaction where the caller's other statements go; not a pool, whose statement would be a transaction by itself
   * @returns the id of the event
   * @throws InvalidEventError when the event breaks a rule; nothing was sent to the database then
   */
  async add(transaction: OutboxTransaction, event: OutboxEvent<T>): Promise<string> {
    const [id = ''] = await this.addAll(transaction, [event]);
    return id;
  }

  /** Adds events by one statement, in their order: see `add`. @returns their ids */
  async addAll(transaction: OutboxTransaction, events: readonly OutboxEvent<T>[]): Promise<string[]> {
    if ('totalCount' in transaction || 'initialize' in transaction)
      throw new TypeError(
        'an event is added in a transaction: give the manager or the client of yours, and not the pool or the data source',
      );
    if (events.length === 0) return [];
    const written = events.map((event) => this.form.write(event));
    const keys = events.map(({ key = null }) => {
      if (key !== null && (key.length > KEY_LENGTH_MAX || key.includes('\0')))
        throw new TypeError(
          `the key of an event must have at most ${KEY_LENGTH_MAX} characters, and none of them NUL`,
        );
      return key;
    });
    const ids = written.map(({ eventId }) => eventId);
    const topics = written.map(({ topic }) => topic);
    const bodies = written.map(({ body }) => body);
    const { traceparent = null, tracestate = null } = activeTrace() ?? {};
    await transaction.query(this.statement, [topics, ids, keys, bodies, traceparent, tracestate]);
    return ids;
  }

  /** Lists the oldest dead letters, and the events that are held behind them. @param limit 10,000 at most */
  async deadLetters(pool: Pool, limit = 100): Promise<OutboxDeadLetter[]> {
    const { rows } = await pool.query<OutboxDeadLetter>(
      `SELECT number::text AS number, topic, event_id AS "eventId", key, state, reason, body
FROM ${this.tables.deadLetter} ORDER BY number LIMIT $1`,
      [Math.min(limit, LISTED_MAX)],
    );
    return rows;
  }

  /** Has dead letters published again, before any event that is held behind them. @returns how many there were */
  async release(pool: Pool, numbers: readonly string[]): Promise<number> {
    const { deadLetter, channel } = this.tables;
    return this.change(
      pool,
      `UPDATE ${deadLetter} SET state = 'released' WHERE number = ANY($1) AND state = 'dead'`,
      numbers,
      channel,
    );
  }

  /** Drops dead letters. What is held behind them is published. @returns how many there were */
  async drop(pool: Pool, numbers: readonly string[]): Promise<number> {
    const { deadLetter, channel } = this.tables;
    return this.change(
      pool,
      `DELETE FROM ${deadLetter} WHERE number = ANY($1) AND state = 'dead'`,
      numbers,
      channel,
    );
  }

  private async change(
    pool: Pool,
    statement: string,
    numbers: readonly string[],
    channel: string,
  ): Promise<number> {
    const { rows } = await pool.query<{ count: number }>(
      `WITH changed AS (${statement} RETURNING 1)
SELECT (SELECT count(*)::int FROM changed) AS count FROM (SELECT pg_notify($2, '')) AS notified`,
      [numbers, channel],
    );
    return rows[0]?.count ?? 0;
  }
}
