/**
 * The settled horizon of an inbox: how far, from the first sequence on, everything has its row.
 *
 * Transactions do not commit in the order of their sequences, so "the largest sequence stored" says nothing about what is
 * below it. Up to the horizon no row can appear any more; a reader who stays below it misses none.
 *
 * Found step by step from where it was last seen, which is kept. What is kept may lag, and two processes may keep at the
 * same moment: it only ever grows.
 */
import type { Queryable } from '#postgres';
import type { InboxTables } from './inbox-tables.js';

const SEQUENCES_PER_STEP = 10_000;
/** A kept horizon that lags far behind the floor catches up over many calls; none of them waits for all of it. */
const CATCH_UP_STEPS_MAX = 20;

/** The statements that keep a horizon. */
export interface KeptHorizon {
  /** Gives `seq` as float8; $1 is the number of the stream. */
  readonly read: string;
  /** Writes $2, where it is larger than what is kept. */
  readonly write: string;
}

/** The horizon of one inbox. */
export class SettledHorizon {
  private readonly step: string;

  constructor(
    tables: Pick<InboxTables, 'key' | 'duplicate' | 'deadLetter'>,
    private readonly keeping: KeptHorizon,
  ) {
    const range = 'WHERE stream_id = $1 AND seq > $2 AND seq <= $2 + $3';
    // The three tables name each sequence once; UNION keeps a fault in that from counting a sequence twice.
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

  /** The horizon as it was last kept: a lower bound, for the price of one row. */
  async kept(database: Queryable, streamId: number): Promise<number> {
    const { rows } = await database.query<{ seq: number }>(this.keeping.read, [streamId]);
    return rows[0]?.seq ?? 0;
  }

  /** Keeps a horizon, where it is further than what is kept. */
  async keep(database: Queryable, streamId: number, seq: number): Promise<void> {
    await database.query(this.keeping.write, [streamId, seq]);
  }

  /**
   * The largest sequence up to which every sequence of one incarnation is stored, a duplicate or a dead letter. Keeps how
   * far rows show it, so that the next call begins there.
   *
   * @param floor sequences up to here count as settled: the consumer's ack floor. A message that left the stream
   *   before it was consumed has no row and never gets one; without the floor it would hold the horizon for ever.
   *   It is believed in this call only: a database that was restored from a backup is behind the ack floor, and a
   *   kept horizon that is not shown by rows would hide from a new consumer what has to be read again
   */
  async settled(database: Queryable, streamId: number, floor = 0): Promise<number> {
    const kept = await this.kept(database, streamId);
    const stepsMax = floor > kept ? CATCH_UP_STEPS_MAX : Infinity;
    const shown = await this.walk(database, streamId, kept, stepsMax);
    if (shown > kept) await this.keep(database, streamId, shown);
    return shown < floor ? this.walk(database, streamId, floor) : shown;
  }

  /**
   * The first sequence that a consumer should have settled, having acknowledged it, and that has no row.
   *
   * Looks at a bounded number of sequences from the kept horizon on, and keeps how far it came.
   *
   * @param floor nothing up to here can be delivered again
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

  /** @returns how far rows go on without a gap behind a sequence, or how far `stepsMax` steps came */
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
