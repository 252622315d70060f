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
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import { compareHistory, type HistoryComparison, type StreamWitness } from './history-comparison.js';
import type { InboxTables } from './inbox-tables.js';
import { LOCK_BATCHES, moveRows } from './moved-rows.js';
import type { Incarnation, StreamKey, StreamRegistry } from './stream-registry.js';

/** Rows that get another number: those of `from` behind `after`, up to `upTo`. */
export interface RowMove {
  readonly from: number;
  readonly to: number;
  readonly after: number;
  readonly upTo: number;
}

/** What a database keeps of a stream, with every inbox whose rows have the numbers of one registry. */
export interface Ledger {
  readonly registry: StreamRegistry;
  /** Tables by which the histories are compared: see `KnownHistory`. */
  readonly datedTables: readonly string[];
  inboxes(database: Queryable): Promise<readonly InboxTables[]>;
  /** Up to which sequence everything of an incarnation is settled; everything up to `floor` counts as that. */
  settled(database: Queryable, streamId: number, floor: number): Promise<number>;
  /** Moves what the ledger has in addition to its inboxes, and notes that everything up to `move.after` is settled. */
  begin(database: Queryable, move: RowMove): Promise<void>;
}

/** A comparison that found two histories. */
export type DifferingHistory = Extract<HistoryComparison, { agrees: false }>;

/** What is known besides, and who hears of it. */
export interface IncarnationOptions {
  /** Hears what differs, before it is registered. */
  readonly onDiffering: (found: DifferingHistory) => void;
  /** Sequences to compare in any case. */
  readonly suspected?: readonly number[];
}

/** Duplicates name the first of their id, wherever it is now. */
function followFirsts(tables: InboxTables): string {
  return `
UPDATE ${tables.duplicate} repeat SET first_stream_id = $2
FROM ${tables.key} key
WHERE key.stream_id = $2 AND key.seq > $3 AND key.seq <= $4
  AND repeat.topic = key.topic AND repeat.event_id = key.event_id AND repeat.first_stream_id = $1`;
}

/** Attempts at messages that are gone say nothing about those that have their sequences now. */
function forgetAttempts(tables: InboxTables): string {
  return `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq > $2`;
}

/**
 * For how long a stream that ends before the ledger does is asked again before it is believed: longer than a leader that was
 * cut off goes on without hearing of a majority.
 */
const LATE_MS_MAX = 6_000;
const ASK_AGAIN_MS = 250;

/**
 * The incarnation of a stream as it is now: the newest one, where the stream has the history that the ledger knows, else
 * one that is registered for it.
 *
 * @throws when the brokers or the database do not answer
 */
export async function currentIncarnation(
  pool: Pool,
  ledger: Ledger,
  key: StreamKey,
  witness: StreamWitness,
  { onDiffering, suspected = [] }: IncarnationOptions,
): Promise<Incarnation> {
  const incarnation = await ledger.registry.of(pool, key);
  const deadline = Date.now() + LATE_MS_MAX;
  const isLate = async (): Promise<boolean> => {
    if (Date.now() >= deadline) return true;
    await pause(ASK_AGAIN_MS);
    return false;
  };
  const known = { tables: ledger.datedTables, incarnation };
  const found = await compareHistory(pool, known, witness, { isLate, suspected });
  if (found.agrees) return incarnation;
  onDiffering(found);
  return registerDivergence(pool, ledger, key, incarnation, found);
}

/**
 * Registers a new incarnation of a stream. See the head of this file.
 *
 * @param superseded the incarnation that the comparison was made with
 * @returns the newest incarnation, also where another process registered it first
 */
async function registerDivergence(
  pool: Pool,
  ledger: Ledger,
  key: StreamKey,
  superseded: Incarnation,
  { commonSeq, firstSeq }: DifferingHistory,
): Promise<Incarnation> {
  const { registry } = ledger;
  const from = superseded.streamId;
  // A long way is walked before any lock is held; what is left of it below is short.
  await ledger.settled(pool, from, firstSeq - 1);
  return transact(pool, async (database) => {
    const inboxes = await ledger.inboxes(database);
    for (const { key: table } of inboxes) await database.query(LOCK_BATCHES, [table, from]);
    const newest = await registry.find(database, key);
    if (newest !== undefined && newest.revision > superseded.revision) return newest;
    const after = Math.min(commonSeq, await ledger.settled(database, from, firstSeq - 1));
    const to = await registry.add(database, key, { incarnation: superseded, seq: after });
    const range = [from, to, after, commonSeq];
    for (const tables of inboxes) {
      await database.query(moveRows(tables, 'seq > $3 AND seq <= $4'), range);
      await database.query(followFirsts(tables), range);
      await database.query(forgetAttempts(tables), [from, after]);
    }
    await ledger.begin(database, { from, to, after, upTo: commonSeq });
    const registered = await registry.find(database, key);
    if (registered === undefined)
      throw new Error(`stream ${key.name} has left the database while it was registered`);
    return registered;
  });
}
