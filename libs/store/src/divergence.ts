/**
 * Registers that a stream has lost its newest messages: a new incarnation, based on the one before.
 *
 *   rows of the old number:   settled without a gap │ stored ahead of a gap │ mostly of messages that the stream has lost
 *   sequence                                     base                    common
 *   afterwards                stay, belong to both  │ get the new number    │ those the stream has: the new number
 *                                                   │                       │ the others stay, belong to the old one alone
 *
 * The new incarnation begins behind `base`; consumers are put back there, everything from there on is delivered again,
 * and ids decide. Rows between `base` and `common` are of the same messages, so they come along: delivered again, they
 * are found already processed and counted once. So do single rows behind `common` that the stream has nevertheless
 * (agreeing-rows.ts). The rows that the stream has lost stay: they were received and stored.
 *
 * One transaction, under the locks that every batch of every inbox shares: no batch is decided while it runs, and each
 * one after it finds its incarnation superseded. Of several processes that find out at once, the first one registers.
 */
import type { Pool } from 'pg';
import { pause } from '#waiting';
import { AgreeingRows } from './agreeing-rows.js';
import { compareHistory, type HistoryComparison, type StreamWitness } from './history-comparison.js';
import { settledHorizon } from './horizon.js';
import { inboxNames, inboxTableNames, type InboxTableNames } from './inbox-tables.js';
import { followFirsts, inTransaction, LOCK_BATCHES, moveRows } from './moved-rows.js';
import { findIncarnation, type Incarnation, incarnationOf, type StreamKey } from './stream-registry.js';

const INSERT_REVISION = `
INSERT INTO sekali.stream (name, created, revision, base_stream_id, base_seq) VALUES ($1, $2, $3, $4, $5)
RETURNING stream_id`;

const START_HORIZON = `INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)`;

/**
 * Of one segment, the common rows; behind those, the ones that agree. A further inbox may have another event under such a
 * sequence. Behind its segment a number has what the stream lost at an earlier time.
 */
const COMES_ALONG = `seq > $3 AND seq <= $4 AND (seq <= $5
  OR (seq, topic, coalesce(event_id, '')) IN (SELECT * FROM unnest($6::bigint[], $7::text[], $8::text[])))`;

const MOVE_EVENTS = `UPDATE sekali.event SET stream_id = $2 WHERE stream_id = $1 AND ${COMES_ALONG}`;

/** Attempts at messages that are gone say nothing about those that have their sequences now. */
function forgetAttempts(tables: InboxTableNames): string {
  return `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq > $2`;
}

/**
 * For how long a stream that ends before the ledger does is asked again before it is believed: longer than a leader that was
 * cut off goes on without hearing of a majority (stream-majority.ts).
 */
const LATE_MS_MAX = 6_000;
/**
 * The same for a stream that is empty. A broker that came back without its files may lead the stream for seconds, with an empty
 * one, before the broker that has them does: 6 s of that were seen. An empty stream has nothing to read meanwhile.
 */
const EMPTY_MS_MAX = 60_000;
const ASK_AGAIN_MS = 250;

/** A comparison that found two histories. */
export type DifferingHistory = Extract<HistoryComparison, { agrees: false }>;

/**
 * The incarnation of a stream as it is now: the newest one, where the stream has the history that the ledger knows, else
 * one that is registered for it.
 *
 * The comparison reads what `store` knows. A further consumer that was ahead of it finds out by itself (foreign-rows.ts).
 *
 * @param onDiffering hears what differs, before it is registered
 * @throws when the brokers or the database do not answer
 */
export async function currentIncarnation(
  pool: Pool,
  key: StreamKey,
  witness: StreamWitness,
  onDiffering: (found: DifferingHistory) => void,
): Promise<Incarnation> {
  const incarnation = await incarnationOf(pool, key);
  const began = Date.now();
  const found = await compareHistory(pool, incarnation, witness, async (lastSeq) => {
    if (Date.now() - began >= (lastSeq === 0 ? EMPTY_MS_MAX : LATE_MS_MAX)) return true;
    await pause(ASK_AGAIN_MS);
    return false;
  });
  if (found.agrees) return incarnation;
  onDiffering(found);
  return registerDivergence(pool, key, incarnation, found, witness);
}

/** What the comparison found: up to where both histories are the same, and what the stream still has. */
export interface Divergence {
  readonly commonSeq: number;
  readonly firstSeq: number;
}

/**
 * Registers a new incarnation of a stream. See the head of this file.
 *
 * @param superseded the incarnation that the comparison was made with
 * @returns the newest incarnation, also where another process registered it first
 */
async function registerDivergence(
  pool: Pool,
  key: StreamKey,
  superseded: Incarnation,
  { commonSeq, firstSeq }: Divergence,
  witness: StreamWitness,
): Promise<Incarnation> {
  // A long way is walked, and many rows are compared, before any lock is held; what is left of both below is short.
  await settledHorizon(pool, superseded.streamId, firstSeq - 1);
  const agreeing = new AgreeingRows(superseded, witness, commonSeq);
  await agreeing.compareMost(pool);
  return inTransaction(pool, async (database) => {
    const inboxes = (await inboxNames(database)).map(inboxTableNames);
    for (const { key: table } of inboxes) await database.query(LOCK_BATCHES, [table, superseded.streamId]);
    const newest = await findIncarnation(database, key);
    if (newest !== undefined && newest.revision > superseded.revision) return newest;
    await agreeing.compare(database);
    const settled = await settledHorizon(database, superseded.streamId, firstSeq - 1);
    const base = Math.min(commonSeq, settled);
    const { rows } = await database.query<{ stream_id: number }>(INSERT_REVISION, [
      key.name,
      key.identity,
      superseded.revision + 1,
      superseded.streamId,
      base,
    ]);
    const streamId = rows[0]?.stream_id;
    for (const segment of superseded.segments.filter(({ upTo }) => upTo > base)) {
      const from = Math.max(segment.after, base);
      const values = [segment.streamId, streamId, from, segment.upTo, commonSeq, ...agreeing.columns()];
      for (const tables of inboxes) {
        await database.query(moveRows(tables, COMES_ALONG), values);
        await database.query(forgetAttempts(tables), [segment.streamId, from]);
      }
      await database.query(MOVE_EVENTS, values);
    }
    for (const tables of inboxes) await database.query(followFirsts(tables), [streamId]);
    await database.query(START_HORIZON, [streamId, base]);
    const registered = await findIncarnation(database, key);
    if (registered === undefined)
      throw new Error(`stream ${key.name} has left the database while it was registered`);
    return registered;
  });
}
