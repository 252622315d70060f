/**
 * The settled horizon of the ledger: that of the consumer `store`, kept in a table that gateways read.
 *
 * Readers with a cursor stay below it. Further consumers have one as well, which is walked only where they have to begin.
 */
import { type Incarnation, SettledHorizon } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { STORE_INBOX, storeInboxTables } from './inbox-tables.js';

const KEPT = {
  read: `SELECT seq::float8 AS seq FROM sekali.horizon WHERE stream_id = $1`,
  write: `
INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)
ON CONFLICT (stream_id) DO UPDATE SET seq = GREATEST(horizon.seq, EXCLUDED.seq)
WHERE horizon.seq < EXCLUDED.seq`,
};

const STORE = new SettledHorizon(storeInboxTables(STORE_INBOX), KEPT);

/** The horizon as it was last kept: see `SettledHorizon.kept`. */
export function keptHorizon(database: Queryable, streamId: number): Promise<number> {
  return STORE.kept(database, streamId);
}

/** Up to where every sequence is stored, a duplicate or a dead letter: see `SettledHorizon.settled`. */
export function settledHorizon(database: Queryable, streamId: number, floor = 0): Promise<number> {
  return STORE.settled(database, streamId, floor);
}

/** The first sequence that was acknowledged and has no row: see `SettledHorizon.firstUnsettled`. */
export function firstUnsettled(
  database: Queryable,
  streamId: number,
  floor: number,
  acknowledged: number,
): Promise<number | undefined> {
  return STORE.firstUnsettled(database, streamId, floor, acknowledged);
}

/** Up to which sequence everything is settled in the inbox of a consumer. Walks over all of it: ask seldom. */
export async function inboxHorizon(
  database: Queryable,
  { segments }: Incarnation,
  consumer: string,
  floor: number,
): Promise<number> {
  const horizon = new SettledHorizon(storeInboxTables(consumer), KEPT);
  let at = floor;
  for (const { streamId, upTo } of segments) {
    if (at >= upTo) continue;
    at = Math.min(upTo, await horizon.walk(database, streamId, at));
    if (at < upTo) return at;
  }
  return at;
}
