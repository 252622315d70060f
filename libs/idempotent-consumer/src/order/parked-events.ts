import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import type { Lease } from './lease.js';
import { LeaseLostError } from './order-lost-error.js';
import { boundedIdle, orderStatements } from './order-statements.js';
import type { OrderTables } from './order-tables.js';
import type { ParkedRow } from './parked-delivery.js';

/** How much is read at a time. */
export interface ReadingBounds {
  readonly batchSize: number;
  readonly batchBytes: number;
}

interface DueKey {
  readonly key: string;
  readonly is_retry: boolean;
}

/**
 * Each of them has a transaction of its own, and the stream waits meanwhile. Those that are due for longest come first,
 * so that none waits for ever.
 */
const RETRIES_MAX = 16;

/** For how long a process that is stopped while it reads holds up the others, in milliseconds. */
const IDLE_MS_MAX = 5_000;

/** Reads the events that were parked, and are due. */
export class ParkedEvents {
  private readonly counted: string;
  private readonly nextDue: string;
  private readonly dueKeys: string;
  private readonly dueEvents: string;
  private readonly advance: string;
  private readonly fence: string;

  constructor(
    private readonly pool: Pool,
    tables: OrderTables,
    private readonly lease: Lease,
  ) {
    const { parked, blocked } = tables;
    this.advance = orderStatements(tables).advance;
    this.fence = `UPDATE ${tables.lease} SET until = GREATEST(until, clock_timestamp()) WHERE token = $1
RETURNING ${boundedIdle(`'${IDLE_MS_MAX}'::text`)}`;
    this.counted = `SELECT count(*)::float8 AS count FROM (SELECT FROM ${parked} LIMIT $1) AS counted`;
    this.nextDue = `
SELECT (extract(epoch FROM min(due_at) - clock_timestamp()) * 1000)::float8 AS due_ms FROM ${blocked}`;
    this.dueKeys = `
SELECT key, is_retry FROM ${blocked} WHERE due_at <= now() ORDER BY due_at, stream_id, seq LIMIT $1`;
    // Of one incarnation at a time: the sequences of another one mean other messages.
    this.dueEvents = `
WITH due AS MATERIALIZED (SELECT * FROM ${blocked} WHERE key = ANY($1::text[]) AND due_at <= now())
SELECT stream_id, seq::float8 AS seq, key, topic, event_id, subject, headers, body, deliveries, published_at, is_retry
FROM (
  SELECT *, sum(bytes) OVER (ORDER BY seq) AS bytes_so_far, row_number() OVER (ORDER BY seq) AS place
  FROM (
    SELECT event.*, octet_length(event.body) AS bytes, due.is_retry AND event.seq = due.seq AS is_retry
    FROM due CROSS JOIN LATERAL (
      SELECT * FROM ${parked} parked
      WHERE parked.key = due.key AND parked.stream_id = due.stream_id ORDER BY parked.seq LIMIT $2
    ) event
    WHERE due.stream_id = (SELECT min(stream_id) FROM due)
    ORDER BY event.seq LIMIT $2
  ) found
) measured
WHERE bytes_so_far <= $3 OR place = 1
ORDER BY seq`;
  }

  /** Returns how many events wait. @param countMax up to which number they are counted */
  async count(countMax: number): Promise<number> {
    const { rows } = await this.pool.query<{ count: number }>(this.counted, [countMax]);
    return rows[0]?.count ?? 0;
  }

  /** Returns milliseconds until a key is due, 0 or less when one is; `undefined` when none will be by itself. */
  async dueMs(): Promise<number | undefined> {
    const { rows } = await this.pool.query<{ due_ms: number | null }>(this.nextDue);
    return rows[0]?.due_ms ?? undefined;
  }

  /**
   * Reads events that are due: of each key from its first one on, and in the order of the stream.
   *
   * @returns those of one incarnation of the stream; none when only keys without events were due
   * @throws LeaseLostError when another process may decide by now
   */
  due({ batchSize, batchBytes }: ReadingBounds): Promise<readonly ParkedRow[]> {
    return transact(this.pool, async (database) => {
      await this.prove(database);
      const { rows: due } = await database.query<DueKey>(this.dueKeys, [batchSize]);
      const later = new Set(due.filter(({ is_retry }) => is_retry).slice(RETRIES_MAX));
      const keys = due.filter((one) => !later.has(one)).map(({ key }) => key);
      // An operator may have dropped what was first.
      await database.query(this.advance, [keys]);
      const { rows } = await database.query<ParkedRow & Record<string, unknown>>(this.dueEvents, [
        keys,
        batchSize,
        batchBytes,
      ]);
      return rows;
    });
  }

  private async prove(database: Queryable): Promise<void> {
    const { rowCount } = await database.query(this.fence, [this.lease.current?.token ?? null]);
    if (rowCount === 1) return;
    this.lease.lost();
    throw new LeaseLostError();
  }
}
