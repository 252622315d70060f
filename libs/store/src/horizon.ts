/**
 * The settled horizon: how far, from the first sequence on, everything has its row.
 *
 * Transactions do not commit in the order of their sequences, so "the largest sequence stored" says nothing
 * about what is below it. Up to the horizon no row can appear any more; a reader who stays below it misses none.
 *
 * Found step by step from where it was last seen, which is kept in a table. What is kept may lag and two
 * processes may keep at the same moment: it only ever grows.
 */
import { type Incarnation, SEQUENCES_PER_STEP, SettledHorizon } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { storeInboxTables } from './inbox-tables.js';

/** A kept horizon that lags far behind the floor catches up over many calls; none of them waits for all of it. */
const CATCH_UP_STEPS_MAX = 20;

const KEPT_HORIZON = `SELECT seq::float8 AS seq FROM sekali.horizon WHERE stream_id = $1`;

const STORE = new SettledHorizon(storeInboxTables('store'));

const KEEP_HORIZON = `
INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)
ON CONFLICT (stream_id) DO UPDATE SET seq = GREATEST(horizon.seq, EXCLUDED.seq)
WHERE horizon.seq < EXCLUDED.seq`;

/** The horizon as it was last kept: a lower bound, for the price of one row. */
export async function keptHorizon(database: Queryable, streamId: number): Promise<number> {
  const { rows } = await database.query<{ seq: number }>(KEPT_HORIZON, [streamId]);
  return rows[0]?.seq ?? 0;
}

/**
 * The largest sequence up to which every sequence of one making of a stream is stored, a duplicate or a dead
 * letter. Keeps how far rows show it, so that the next call begins there.
 *
 * @param floor sequences up to here count as settled: the consumer's ack floor. A message that left the stream
 *   before it was consumed has no row and never gets one; without the floor it would hold the horizon for ever.
 *   It is believed in this call only: a database that was restored from a backup is behind the ack floor, and a
 *   kept horizon that is not shown by rows would hide from a new consumer what has to be read again
 */
export async function settledHorizon(database: Queryable, streamId: number, floor = 0): Promise<number> {
  const kept = await keptHorizon(database, streamId);
  const shown = await STORE.walk(database, streamId, kept, floor > kept ? CATCH_UP_STEPS_MAX : Infinity);
  if (shown > kept) await database.query(KEEP_HORIZON, [streamId, shown]);
  return shown < floor ? STORE.walk(database, streamId, floor) : shown;
}

/**
 * The first sequence that a consumer should have settled, having acknowledged it, and that has no row.
 *
 * Looks at a bounded number of sequences from the kept horizon on, and keeps how far it came.
 *
 * @param floor nothing up to here can be delivered again
 * @returns `undefined` when there is none, or none was found within the bound
 */
export async function firstUnsettled(
  database: Queryable,
  streamId: number,
  floor: number,
  acknowledged: number,
): Promise<number | undefined> {
  const kept = await keptHorizon(database, streamId);
  if (Math.max(kept, floor) >= acknowledged) return undefined;
  const from = Math.max(kept, floor);
  const shown = await STORE.walk(database, streamId, from, CATCH_UP_STEPS_MAX);
  // Only what rows show is kept: see `settledHorizon`.
  if (from === kept && shown > kept) await database.query(KEEP_HORIZON, [streamId, shown]);
  const isBounded = shown - from === CATCH_UP_STEPS_MAX * SEQUENCES_PER_STEP;
  return shown < acknowledged && !isBounded ? shown + 1 : undefined;
}

/** Up to which sequence everything is settled in the inbox of a consumer. Walks over all of it: ask seldom. */
export async function inboxHorizon(
  database: Queryable,
  { segments }: Incarnation,
  consumer: string,
  floor: number,
): Promise<number> {
  const horizon = new SettledHorizon(storeInboxTables(consumer));
  let at = floor;
  for (const { streamId, upTo } of segments) {
    if (at >= upTo) continue;
    at = Math.min(upTo, await horizon.walk(database, streamId, at));
    if (at < upTo) return at;
  }
  return at;
}
