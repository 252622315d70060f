/** One connection of a relay to its outbox: the lock that makes it the only one that publishes, and its statements. */
import type { Client, Pool, PoolClient, QueryResult, QueryResultRow } from 'pg';
import { isLockTimeout } from '#postgres';
import type { PreparedStatement } from '../effect.js';
import { prepared } from '../postgres/prepared-statement.js';
import { DeadLetterRows } from './dead-letter-rows.js';
import type { OpenRange, Reading, RelayPosition } from './open-numbers.js';
import {
  asideText,
  COLUMNS,
  type OutboxRow,
  type RawRow,
  READ_BYTES_MAX,
  rowOf,
  type SetAside,
} from './outbox-row.js';
import { type OutboxTables, SEGMENT, segmentOf, SEGMENTS, segmentTable } from './outbox-tables.js';

/** What a reading found. */
export interface Found {
  readonly rows: readonly OutboxRow[];
  readonly reading: Reading;
  /** Whether there are dead letters. */
  readonly hasDeadLetters: boolean;
}

interface ReadRow extends RawRow {
  readonly ended_before: string;
  readonly has_dead_letters: boolean;
  /** How many there were before the bound on bytes. */
  readonly total: string;
}

/** Postgres ends the session of a process that is stopped, and another relay goes on. */
export const IDLE_MS_MAX = 60_000;
const TRUNCATE_LOCK_MS_MAX = 100;
/**
 * A round would be planned for three times as long as it takes, because the ring has many tables. One plan is good for tables
 * of any size, as every statement of a session reads by an index.
 */
const PLANNING = `SET SESSION plan_cache_mode = force_generic_plan; SET SESSION enable_seqscan = off;
SET SESSION enable_bitmapscan = off; SET SESSION enable_sort = off`;

/** A session, until its connection breaks. Every statement is on one connection, so each proves that the lock is held. */
export class RelaySession {
  /** When Postgres answered last, on the clock of `performance.now()`. */
  answeredAtMs = performance.now();
  readonly deadLetters: DeadLetterRows;
  private isClosed = false;
  private isAwake = false;
  /**
   * Where the relay's row is. A search for it would visit all of its versions, which are many while a session has an old
   * snapshot.
   */
  private place = '';

  private constructor(
    private readonly client: PoolClient,
    private readonly tables: OutboxTables,
    private readonly onBroken: (error: Error) => void,
    private readonly abandoning: AbortSignal,
  ) {
    this.deadLetters = new DeadLetterRows((text, values) => this.query(text, values), tables.deadLetter);
  }

  /**
   * Opens a session on a connection of the pool, which it keeps.
   *
   * @param onNotified called when events were added while the relay was asleep
   * @param abandoning ends at once the session, its opening, and a statement that waits for Postgres
   * @throws the error of Postgres, or the reason of the signal
   */
  static async open(
    pool: Pool,
    tables: OutboxTables,
    onNotified: () => void,
    abandoning: AbortSignal = new AbortController().signal,
  ): Promise<RelaySession> {
    const client = await connected(pool, abandoning);
    // The next statement reports it. Without a listener the error would end the process.
    const onBroken = (): void => {
      onNotified();
    };
    client.on('error', onBroken);
    client.on('notification', onNotified);
    const session = new RelaySession(client, tables, onBroken, abandoning);
    abandoning.addEventListener('abort', session.abandon);
    try {
      await client.query(
        `SET SESSION idle_session_timeout = ${IDLE_MS_MAX}; ${PLANNING}; LISTEN "${tables.channel}"`,
      );
      return session;
    } catch (error) {
      session.close();
      throw error;
    }
  }

  /** Whether this is now the relay that publishes. Another one has the lock otherwise. */
  async lead(): Promise<boolean> {
    const { rows } = await this.query<{ leads: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS leads',
      [this.tables.lock],
    );
    return rows[0]?.leads === true;
  }

  /** How far the relay before has got. */
  async position(): Promise<RelayPosition> {
    const { rows } = await this.query<
      Record<'passed' | 'gap_from' | 'gap_to' | 'gap_until' | 'now' | 'place', unknown>
    >(
      `SELECT passed, gap_from::text[], gap_to::text[], gap_until::text[],
  pg_current_xact_id()::text AS now, ctid::text AS place FROM ${this.tables.relay}`,
    );
    const [row] = rows;
    if (row === undefined)
      throw new Error(`${this.tables.relay} has no row: restore the outbox from a backup`);
    this.place = row.place as string;
    const froms = row.gap_from as string[];
    const [tos, untils] = [row.gap_to as string[], row.gap_until as string[]];
    // In a database that was restored from a dump, the ids of transactions begin again.
    const open = froms.map((from, at): OpenRange => {
      return {
        from: Number(from),
        to: Number(tos[at]),
        until: Math.min(Number(untils[at]), Number(row.now)),
      };
    });
    return { passed: Number(row.passed), open };
  }

  /**
   * Reads the events that are not done, by one statement: an event that was added after another one had been committed
   * is never seen without it.
   *
   * @param limit how many
   * @param withNew whether events above `passed` are read, and not the open ones alone
   */
  async read({ passed, open }: RelayPosition, limit: number, withNew: boolean): Promise<Found> {
    const { event, deadLetter } = this.tables;
    // The bound within LATERAL has Postgres search the index for each range. It would compare every range with every row
    // otherwise, which takes 5 s for 5,000 ranges and 10,000 rows.
    const text = `
SELECT ended_before, has_dead_letters, total, ${COLUMNS} FROM (
  SELECT pg_snapshot_xmin(pg_current_snapshot())::text AS ended_before,
    EXISTS (SELECT FROM ${deadLetter}) AS has_dead_letters
) AS moment LEFT JOIN (
  SELECT *, count(*) OVER () AS total, sum(octet_length(body)) OVER (ORDER BY number) - octet_length(body) AS bytes_before
  FROM (
  (SELECT ${COLUMNS} FROM unnest($2::bigint[], $3::bigint[]) AS gap (from_number, to_number)
    CROSS JOIN LATERAL (SELECT ${COLUMNS} FROM ${event}
      WHERE ${SEGMENT} = ${SEGMENT.replace('number', 'from_number')} AND number BETWEEN from_number AND to_number
      ORDER BY number LIMIT $4) AS in_gap
    ORDER BY number LIMIT $4)
  UNION ALL
  (SELECT ${COLUMNS} FROM ${event} WHERE number > $1 AND $5 ORDER BY number LIMIT $4)
  ORDER BY number LIMIT $4
  ) AS next
) AS found ON bytes_before < $6 ORDER BY number`;
    const { rows } = await this.query<ReadRow>(prepared(text), [
      passed,
      open.map(({ from }) => from),
      open.map(({ to }) => to),
      limit,
      withNew,
      READ_BYTES_MAX,
    ]);
    const found = rows.flatMap((row) => (row.number === null ? [] : [rowOf(row)]));
    const total = Number(rows[0]?.total ?? 0);
    const reading = {
      numbers: found.map(({ number }) => number),
      isCut: total >= limit || total > found.length,
      endedBefore: Number(rows[0]?.ended_before ?? 0),
    };
    return { rows: found, reading, hasDeadLetters: rows[0]?.has_dead_letters === true };
  }

  /**
   * Saves how far the relay has got, and what it set aside, in one transaction.
   *
   * @returns the position, with the ids of transactions until which new ranges are open
   */
  async save({ passed, open }: RelayPosition, aside: readonly SetAside[]): Promise<RelayPosition> {
    const { relay } = this.tables;
    const insertion = aside.length === 0 ? '' : `WITH aside AS (${this.asideStatement('$6')}) `;
    const { rows } = await this.query<{ until: string[]; place: string }>(
      prepared(`${insertion}UPDATE ${relay} SET passed = $1, gap_from = $2::bigint[], gap_to = $3::bigint[], asleep = false,
  gap_until = array_replace($4::bigint[], 0, pg_current_xact_id()::text::bigint) WHERE ctid = $5::tid
  RETURNING gap_until::text[] AS until, ctid::text AS place`),
      [
        passed,
        open.map(({ from }) => from),
        open.map(({ to }) => to),
        open.map(({ until }) => until),
        this.place,
        ...(aside.length === 0 ? [] : [asideText(aside)]),
      ],
    );
    const { until: untils } = this.placed(rows);
    return { passed, open: open.map((range, at) => ({ ...range, until: Number(untils[at]) })) };
  }

  /** From now on, who adds an event does not notify the relay. Where someone adds one right now, the next call does it. */
  async stayAwake(): Promise<void> {
    if (this.isAwake) return;
    const { rows } = await this.query<{ awake: boolean }>(
      'SELECT pg_try_advisory_lock(hashtextextended($1, 0)) AS awake',
      [this.tables.awake],
    );
    this.isAwake = rows[0]?.awake === true;
  }

  /** From now on, who adds an event notifies the relay. A program of an earlier version does so by the row. */
  async fallAsleep(): Promise<void> {
    const { relay, awake } = this.tables;
    const { rows } = await this.query<{ place: string }>(
      `UPDATE ${relay} SET asleep = true WHERE ctid = $1::tid RETURNING ctid::text AS place`,
      [this.place],
    );
    this.placed(rows);
    if (this.isAwake) await this.query('SELECT pg_advisory_unlock(hashtextextended($1, 0))', [awake]);
    this.isAwake = false;
  }

  /**
   * Empties the segments whose events are all done. Emptying one leaves nothing to vacuum.
   *
   * A transaction that still adds to a segment keeps its lock, and then the segment is left for another time. Its events
   * are checked again after the lock was taken.
   *
   * @param position what was saved
   * @returns whether segments are left that could not be emptied yet, and why not where that is an error
   */
  async emptySegments({ passed, open }: RelayPosition): Promise<{ isLeft: boolean; error?: unknown }> {
    const current = new Set([segmentOf(passed), segmentOf(passed + 1)]);
    const held = new Set(open.map(({ from }) => segmentOf(from)));
    let isLeft = false;
    for (let segment = 0; segment < SEGMENTS; segment += 1) {
      if (current.has(segment)) continue;
      try {
        const isEmpty =
          !held.has(segment) && (await this.emptySegment(segmentTable(this.tables, segment), passed));
        isLeft ||= !isEmpty;
      } catch (error) {
        // Events are published all the same, while the connection is whole.
        await this.query('ROLLBACK');
        if (!isLockTimeout(error)) return { isLeft: true, error };
        isLeft = true;
      }
    }
    return { isLeft };
  }

  /** Gives the connection up, once. Its lock, its settings and a statement under way end with it. */
  close(): void {
    const { client, onBroken } = this;
    if (this.isClosed) return;
    this.isClosed = true;
    this.abandoning.removeEventListener('abort', this.abandon);
    client.removeAllListeners('notification');
    client.release(true);
    // It may still report that it broke.
    client.on('error', () => undefined);
    client.off('error', onBroken);
  }

  /** A client that pipelines would wait for the answer to its statement before it closes the connection. */
  private readonly abandon = (): void => {
    this.close();
    (this.client as PoolClient & Pick<Client, 'connection'>).connection.stream.destroy();
  };

  /** @returns whether it is empty now */
  private async emptySegment(table: string, passed: number): Promise<boolean> {
    const isDone = `SELECT max(number) <= $1 AS done FROM ${table}`;
    const before = (await this.query<{ done: boolean | null }>(isDone, [passed])).rows[0]?.done;
    if (before !== true) return before !== false;
    await this.query(`BEGIN; SET LOCAL lock_timeout = ${TRUNCATE_LOCK_MS_MAX}`);
    await this.query(`LOCK TABLE ${table} IN ACCESS EXCLUSIVE MODE`);
    // What was added before the lock was taken is seen now.
    const isStill = (await this.query<{ done: boolean | null }>(isDone, [passed])).rows[0]?.done === true;
    if (isStill) await this.query(`TRUNCATE ${table}`);
    await this.query('COMMIT');
    return isStill;
  }

  /** Notes where the row is after its change. */
  private placed<R extends { readonly place: string }>([row]: readonly R[]): R {
    if (row === undefined)
      throw new Error(
        `the row of ${this.tables.relay} is elsewhere, as after a VACUUM FULL: the session begins again`,
      );
    this.place = row.place;
    return row;
  }

  private asideStatement(parameter: string): string {
    return `INSERT INTO ${this.tables.deadLetter} (${COLUMNS}, state, reason)
  SELECT ${COLUMNS}, state, reason FROM json_to_recordset(${parameter}::json) AS one (number bigint, topic text,
    event_id text, key text, body text, traceparent text, tracestate text, state text, reason text)
  ON CONFLICT (number) DO NOTHING`;
  }

  private async query<R extends QueryResultRow>(
    statement: string | PreparedStatement,
    values?: readonly unknown[],
  ): Promise<QueryResult<R>> {
    const result = await this.client.query<R>(statement as string, values as unknown[]);
    this.answeredAtMs = performance.now();
    return result;
  }
}

/** A connection of the pool. One that comes after the abort goes back. @throws the reason of the signal */
async function connected(pool: Pool, abandoning: AbortSignal): Promise<PoolClient> {
  abandoning.throwIfAborted();
  const connecting = pool.connect();
  return new Promise((resolve, reject) => {
    const abandon = (): void => {
      reject(abandoning.reason as Error);
      connecting.then(
        (client) => {
          client.release();
        },
        () => undefined,
      );
    };
    abandoning.addEventListener('abort', abandon);
    connecting
      .then((client) => {
        if (!abandoning.aborted) resolve(client);
      }, reject)
      .finally(() => {
        abandoning.removeEventListener('abort', abandon);
      });
  });
}
