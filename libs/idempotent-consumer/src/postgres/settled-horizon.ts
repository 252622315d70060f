import type { Queryable } from '#postgres';
import type { InboxTables } from './inbox-tables.js';

const SEQUENCES_PER_STEP = 10_000;
/** A kept horizon far behind the floor catches up over many calls, and none of them waits for all of it. */
const CATCH_UP_STEPS_MAX = 20;

/** The statements that read and write a kept horizon. */
export interface KeptHorizon {
  /** Reads the horizon as `seq`, a float8; $1 is the stream id. */
  readonly read: string;
  /** Writes $2, if it is larger than the kept horizon; $1 is the stream id. */
  readonly write: string;
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
 */
export class SettledHorizon {
  private readonly step: string;

  constructor(
    tables: Pick<InboxTables, 'key' | 'duplicate' | 'deadLetter'>,
    private readonly keeping: KeptHorizon,
  ) {
    const range = 'WHERE stream_id = $1 AND seq > $2 AND seq <= $2 + $3';
    // Each sequence is in one of the three tables. UNION keeps a violation of that from counting a sequence
    // twice.
    this.step = `
SELECT count(*)::float8 AS unbroken
FROM (
  SELECT seq, row_number() OVER (ORDER BY seq) AS place
  FROM (
    SELECT seq FROM ${tables.key} ${range}
    UNION SELECT seq FROM ${tables.duplicate} ${range}
    UNION SELECT seq FROM ${tables.deadLetter} ${range}
  ) settled
) placed
WHERE seq = $2 + place`;
  }

  /** Returns the horizon as it was last kept: a lower bound, for the price of one row. */
  async kept(database: Queryable, streamId: number): Promise<number> {
    const { rows } = await database.query<{ seq: number }>(this.keeping.read, [streamId]);
    return rows[0]?.seq ?? 0;
  }

  /** Keeps a horizon, if it is larger than the kept one. */
  async keep(database: Queryable, streamId: number, seq: number): Promise<void> {
    await database.query(this.keeping.write, [streamId, seq]);
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
    if (shown > kept) await this.keep(database, streamId, shown);
    return shown < floor ? this.walk(database, streamId, floor) : shown;
  }

  /**
   * Returns the first acknowledged sequence that has no row, although it should be settled.
   *
   * It reads a bounded number of sequences from the kept horizon on, and keeps its progress.
   *
   * @param floor no sequence up to here can be delivered again
   * @param acknowledged the consumer's ack floor
   * @returns `undefined` when there is none, or none was found within the bound
   */
  async firstUnsettled(
    database: Queryable,
    streamId: number,
    floor: number,
    acknowledged: number,
  ): Promise<number | undefined> {
    const kept = await this.kept(database, streamId);
    if (Math.max(kept, floor) >= acknowledged) return undefined;
    const from = Math.max(kept, floor);
    const shown = await this.walk(database, streamId, from, CATCH_UP_STEPS_MAX);
    // Only what rows show is kept: see `settled`.
    if (from === kept && shown > kept) await this.keep(database, streamId, shown);
    const isBounded = shown - from === CATCH_UP_STEPS_MAX * SEQUENCES_PER_STEP;
    return shown < acknowledged && !isBounded ? shown + 1 : undefined;
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
