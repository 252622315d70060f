import { READ_ONLY, type Queryable } from '#postgres';
import type { SequenceSegment, StoreLoss } from '../stream-history.js';
import type { StreamSearch } from './history-comparison.js';
import { type MessageTables, messageTables } from './inbox-tables.js';

const SEQUENCES_PER_STEP = 10_000;
/** A kept horizon far behind the floor catches up over many calls, and none of them waits for all of it. */
const CATCH_UP_STEPS_MAX = 20;
/** How many sequences one search for a loss reads. A batch of them takes some milliseconds. */
const CHECKED_MAX = 1_000_000;
/** How many sequences are counted for the size of a loss, and how many of them by one statement. */
const COUNTED_MAX = 1_000_000;
const COUNTED_PER_STEP = 50_000;
/** How many gaps without messages one search passes. Each costs a question to the brokers. */
const GAPS_MAX = 1_000;

/** The statements that read and write a kept horizon. */
export interface KeptHorizon {
  /** Reads the horizon as `seq`, a float8; $1 is the stream id. */
  readonly read: string;
  /**
   * Writes the `seq` of the relation `moved`, which the statement around it defines, if it is larger than the kept
   * horizon; $1 is the stream id.
   */
  readonly write: string;
}

/** Which sequences are searched for a loss. */
export interface SearchBounds {
  /** No sequence up to here can be delivered again. */
  readonly floor: number;
  /** The consumer's ack floor, which has to be read before the database. */
  readonly acknowledged: number;
}

/** A standby answered. It may lag, so what it lacks proves nothing. The error counts as an outage. */
export class StandbyError extends Error {
  override readonly name = 'StandbyError';
  readonly code = READ_ONLY;
  constructor() {
    super('a standby of Postgres answered: the URL must lead to the primary');
  }
}

/**
 * The settled horizon of an inbox: up to it, every sequence from the first one on has its row.
 *
 * Transactions do not commit in the order of their sequences. So the largest stored sequence says nothing
 * about the sequences below it. Up to the horizon no row can appear any more, and a reader that stays below
 * it misses none.
 *
 * The horizon is found step by step from where it was kept last. The kept value may lag, and two processes
 * may write it at the same moment; it only grows.
 *
 * Between two statements, the store may become one that went back in time. Rows that the first statement read
 * may then be gone. So what is kept depends on the rows, and on the former horizon, in the same statement.
 */
export class SettledHorizon {
  private readonly step: string;
  private readonly rowsBetween: string;
  private readonly keepShown: string;
  private readonly keepMoved: string;

  constructor(
    tables: MessageTables,
    private readonly keeping: KeptHorizon,
  ) {
    const range = 'WHERE stream_id = $1 AND seq > $2 AND seq <= $2 + $3';
    // Each sequence is in one of the tables. UNION keeps a violation of that from counting a sequence
    // twice.
    const rows = (range: string, union: string): string =>
      messageTables(tables)
        .map((table) => `SELECT seq FROM ${table} ${range}`)
        .join(`\n  ${union} `);
    this.step = `
SELECT count(*)::float8 AS unbroken
FROM (
  SELECT seq, row_number() OVER (ORDER BY seq) AS place
  FROM (${rows(range, 'UNION')}
  ) settled
) placed
WHERE seq = $2 + place`;
    const between = 'WHERE stream_id = $1 AND seq BETWEEN $2 AND $3';
    this.rowsBetween = `
SELECT pg_is_in_recovery() AS standby, count(*)::float8 AS count
FROM (${rows(between, 'UNION')}
) settled`;
    const isAsBefore = `coalesce((${keeping.read}), 0) >= $2::bigint`;
    this.keepMoved = `WITH moved AS (SELECT $3::bigint AS seq WHERE ${isAsBefore})${keeping.write}`;
    const behind = 'WHERE stream_id = $1 AND seq > $2::bigint AND seq <= $3::bigint';
    this.keepShown = `
WITH moved AS (
  SELECT $3::bigint AS seq WHERE ${isAsBefore} AND $3::bigint - $2::bigint = (
    SELECT count(*) FROM (${rows(behind, 'UNION ALL')}
    ) settled
  )
)${keeping.write}`;
  }

  /** Returns the horizon as it was last kept: a lower bound, for the price of one row. */
  async kept(database: Queryable, streamId: number): Promise<number> {
    const { rows } = await database.query<{ seq: number }>(this.keeping.read, [streamId]);
    return rows[0]?.seq ?? 0;
  }

  /**
   * Keeps a horizon, if it is larger than the kept one.
   *
   * @param from where the kept horizon was; a store in which it is lower went back in time, and keeps its own
   */
  async keep(database: Queryable, streamId: number, from: number, seq: number): Promise<void> {
    await database.query(this.keepMoved, [streamId, from, seq]);
  }

  /** The same for a horizon up to which every sequence has a row, if the rows are still there. */
  private async keepRows(database: Queryable, streamId: number, from: number, seq: number): Promise<void> {
    if (seq > from) await database.query(this.keepShown, [streamId, from, seq]);
  }

  /**
   * Returns the largest sequence up to which every sequence of one incarnation is stored, a duplicate or a
   * dead letter. It keeps what the rows show, and the next call begins there.
   *
   * @param floor sequences up to here count as settled: the consumer's ack floor. A message that left the
   *   stream unconsumed never gets a row, and would otherwise block the horizon for ever. The floor counts in
   *   this call only. A database that was restored from a backup is behind the ack floor. A kept horizon
   *   without rows would hide from a new consumer what it must read again.
   */
  async settled(database: Queryable, streamId: number, floor = 0): Promise<number> {
    const kept = await this.kept(database, streamId);
    const stepsMax = floor > kept ? CATCH_UP_STEPS_MAX : Infinity;
    const shown = await this.walk(database, streamId, kept, stepsMax);
    await this.keepRows(database, streamId, kept, shown);
    return shown < floor ? this.walk(database, streamId, floor) : shown;
  }

  /**
   * Looks for acknowledged messages that have no row. There are none, unless the store went back in time.
   *
   * It reads a bounded number of sequences from the kept horizon on, and keeps its progress. Where rows have a
   * gap, the stream is asked for the next message. A gap without messages is passed: what was deleted cannot be
   * read again.
   *
   * @param segments the stream ids of the rows, by their sequences
   * @returns `undefined` when there is none, or none was found within the bound
   * @throws `StandbyError` when a standby answered, because it may lag
   */
  async loss(
    database: Queryable,
    segments: readonly SequenceSegment[],
    { floor, acknowledged }: SearchBounds,
    stream: Pick<StreamSearch, 'bounds' | 'nextAt'>,
  ): Promise<StoreLoss | undefined> {
    for (const { streamId, after, upTo } of segments) {
      const bounds = { floor: Math.max(floor, after), acknowledged: Math.min(acknowledged, upTo) };
      const loss = await this.lossOfSegment(database, streamId, bounds, stream);
      if (loss !== undefined) return loss;
    }
    return undefined;
  }

  private async lossOfSegment(
    database: Queryable,
    streamId: number,
    { floor, acknowledged }: SearchBounds,
    stream: Pick<StreamSearch, 'bounds' | 'nextAt'>,
  ): Promise<StoreLoss | undefined> {
    if (floor >= acknowledged) return undefined;
    const kept = await this.kept(database, streamId);
    let at = Math.max(kept, floor);
    if (at > kept) await this.keep(database, streamId, kept, at);
    const end = Math.min(acknowledged, at + CHECKED_MAX);
    for (let gaps = 0; at < end && gaps < GAPS_MAX; gaps++) {
      const steps = Math.ceil((end - at) / SEQUENCES_PER_STEP);
      const shown = await this.walk(database, streamId, at, steps);
      await this.keepRows(database, streamId, at, shown);
      at = shown;
      if (at >= end) break;
      const next = await nextMessage(stream, at + 1, acknowledged);
      if (next !== undefined && (await this.isLost(database, streamId, next.seq)))
        return this.describe(database, streamId, next, acknowledged);
      const beyond = next === undefined ? acknowledged : next.seq - 1;
      await this.keep(database, streamId, at, beyond);
      at = beyond;
    }
    return undefined;
  }

  private async isLost(database: Queryable, streamId: number, seq: number): Promise<boolean> {
    const { rows } = await database.query<{ standby: boolean; count: number }>(this.rowsBetween, [
      streamId,
      seq,
      seq,
    ]);
    const [{ standby, count } = { standby: true, count: 0 }] = rows;
    if (standby) throw new StandbyError();
    return count === 0;
  }

  /** Describes a loss. A larger one is counted only in part, because its rows may be as many as the store has. */
  private async describe(
    database: Queryable,
    streamId: number,
    { seq, publishedMs }: { readonly seq: number; readonly publishedMs: number },
    acknowledged: number,
  ): Promise<StoreLoss> {
    const end = Math.min(acknowledged, seq + COUNTED_MAX - 1);
    let missing = 0;
    for (let from = seq; from <= end; from += COUNTED_PER_STEP) {
      const upTo = Math.min(end, from + COUNTED_PER_STEP - 1);
      const { rows } = await database.query<{ count: number }>(this.rowsBetween, [streamId, from, upTo]);
      missing += upTo - from + 1 - (rows[0]?.count ?? 0);
    }
    return { firstSeq: seq, lastSeq: acknowledged, missing, publishedAt: new Date(publishedMs) };
  }

  /** Returns how far rows continue without a gap behind a sequence, or how far `stepsMax` steps came. */
  async walk(database: Queryable, streamId: number, from: number, stepsMax = Infinity): Promise<number> {
    let at = from;
    for (let steps = 0; steps < stepsMax; steps++) {
      const values = [streamId, at, SEQUENCES_PER_STEP];
      const { rows } = await database.query<{ unbroken: number }>(this.step, values);
      const unbroken = rows[0]?.unbroken ?? 0;
      at += unbroken;
      if (unbroken < SEQUENCES_PER_STEP) break;
    }
    return at;
  }
}

/** Returns the first message of a range, or `undefined`. A leader without a majority may not know the newest ones. */
async function nextMessage(
  stream: Pick<StreamSearch, 'bounds' | 'nextAt'>,
  from: number,
  upTo: number,
): Promise<{ readonly seq: number; readonly publishedMs: number } | undefined> {
  const next = await stream.nextAt(from);
  if (next !== undefined && next.seq <= upTo) return next;
  const { lastSeq } = await stream.bounds();
  if (lastSeq < upTo) throw new Error(`the stream ends at ${lastSeq}, and ${upTo} was acknowledged`);
  return undefined;
}
