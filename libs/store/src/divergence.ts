/**
 * Registers that a stream has lost its newest messages: a new incarnation, based on the one before.
 *
 *   rows of the old number:   settled without a gap │ stored ahead of a gap │ of messages that the stream has lost
 *   sequence                                     base                    common
 *   afterwards                stay, belong to both  │ get the new number    │ stay, belong to the old one alone
 *
 * The new incarnation begins behind `base`; consumers are put back there, everything from there on is delivered again,
 * and ids decide. Rows between `base` and `common` are of the same messages, so they come along: delivered again, they
 * are found already processed and counted once. The rows that the stream has lost stay: they were received and stored.
 *
 * One transaction, under the locks that every batch of every inbox shares: no batch is decided while it runs, and each
 * one after it finds its incarnation superseded. Of several processes that find out at once, the first one registers.
 */
import type { Pool } from 'pg';
import { pause } from '#waiting';
import { compareHistory, type HistoryComparison, type StreamWitness } from './history-comparison.js';
import { settledHorizon } from './horizon.js';
import { inboxNames, inboxTableNames, type InboxTableNames } from './inbox-tables.js';
import { inTransaction, LOCK_BATCHES, moveRows } from './moved-rows.js';
import { findIncarnation, type Incarnation, incarnationOf, type StreamKey } from './stream-registry.js';

const INSERT_REVISION = `
INSERT INTO sekali.stream (name, created, revision, base_stream_id, base_seq) VALUES ($1, $2, $3, $4, $5)
RETURNING stream_id`;

const START_HORIZON = `INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, $2)`;

const MOVE_EVENTS = `UPDATE sekali.event SET stream_id = $2 WHERE stream_id = $1 AND seq > $3 AND seq <= $4`;

/** Duplicates name the first of their id, wherever it is now. */
function followFirsts(tables: InboxTableNames): string {
  return `
UPDATE ${tables.duplicate} repeat SET first_stream_id = $2
FROM ${tables.key} key
WHERE key.stream_id = $2 AND key.seq > $3 AND key.seq <= $4
  AND repeat.topic = key.topic AND repeat.event_id = key.event_id AND repeat.first_stream_id = $1`;
}

/** Attempts at messages that are gone say nothing about those that have their sequences now. */
function forgetAttempts(tables: InboxTableNames): string {
  return `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq > $2`;
}

/**
 * For how long a stream that ends before the ledger does is asked again before it is believed: longer than a leader that was
 * cut off goes on without hearing of a majority (stream-majority.ts).
 */
const LATE_MS_MAX = 6_000;
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
  const deadline = Date.now() + LATE_MS_MAX;
  const found = await compareHistory(pool, incarnation, witness, async () => {
    if (Date.now() >= deadline) return true;
    await pause(ASK_AGAIN_MS);
    return false;
  });
  if (found.agrees) return incarnation;
  onDiffering(found);
  return registerDivergence(pool, key, incarnation, found);
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
export async function registerDivergence(
  pool: Pool,
  key: StreamKey,
  superseded: Incarnation,
  { commonSeq, firstSeq }: Divergence,
): Promise<Incarnation> {
  // A long way is walked before any lock is held; what is left of it below is short.
  await settledHorizon(pool, superseded.streamId, firstSeq - 1);
  return inTransaction(pool, async (database) => {
    const inboxes = (await inboxNames(database)).map(inboxTableNames);
    for (const { key: table } of inboxes) await database.query(LOCK_BATCHES, [table, superseded.streamId]);
    const newest = await findIncarnation(database, key);
    if (newest !== undefined && newest.revision > superseded.revision) return newest;
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
    const range = [superseded.streamId, streamId, base, commonSeq];
    for (const tables of inboxes) {
      await database.query(moveRows(tables, 'seq > $3 AND seq <= $4'), range);
      await database.query(followFirsts(tables), range);
      await database.query(forgetAttempts(tables), [superseded.streamId, base]);
    }
    await database.query(MOVE_EVENTS, range);
    await database.query(START_HORIZON, [streamId, base]);
    const registered = await findIncarnation(database, key);
    if (registered === undefined)
      throw new Error(`stream ${key.name} has left the database while it was registered`);
    return registered;
  });
}
