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
import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import { AgreeingRows } from './agreeing-rows.js';
import { compareHistory, type HistoryComparison, type StreamWitness } from './history-comparison.js';
import type { InboxTables } from './inbox-tables.js';
import { followFirsts, LOCK_BATCHES, moveRows } from './moved-rows.js';
import type { Incarnation, StreamKey, StreamRegistry } from './stream-registry.js';

/** What a database keeps of a stream, with every inbox whose rows have the numbers of one registry. */
export interface Ledger {
  readonly registry: StreamRegistry;
  /** Tables by which the histories are compared: see `KnownHistory`. */
  readonly datedTables: readonly string[];
  inboxes(database: Queryable): Promise<readonly InboxTables[]>;
  /** Up to which sequence everything of an incarnation is settled; everything up to `floor` counts as that. */
  settled(database: Queryable, streamId: number, floor: number): Promise<number>;
  /** Further tables whose rows have the number of their sequence: `stream_id`, `seq`, `topic` and `event_id`. */
  readonly otherTables: readonly string[];
  /** Notes that everything of a new incarnation up to a sequence is settled. */
  begin(database: Queryable, streamId: number, seq: number): Promise<void>;
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

/**
 * Of one segment, the common rows; behind those, the ones that agree. Another inbox may have another event under such a
 * sequence. Behind its segment a number has what the stream lost at an earlier time.
 */
const COMES_ALONG = `seq > $3 AND seq <= $4 AND (seq <= $5
  OR (seq, topic, coalesce(event_id, '')) IN (SELECT * FROM unnest($6::bigint[], $7::text[], $8::text[])))`;

/** Attempts at messages that are gone say nothing about those that have their sequences now. */
function forgetAttempts(tables: InboxTables): string {
  return `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq > $2`;
}

/**
 * For how long a stream that ends before the ledger does is asked again before it is believed: longer than a leader that was
 * cut off goes on without hearing of a majority.
 */
const LATE_MS_MAX = 6_000;
/**
 * The same for a stream that is empty. A broker that came back without its files may lead the stream for seconds, with an empty
 * one, before the broker that has them does: 6 s of that were seen. An empty stream has nothing to read meanwhile.
 */
const EMPTY_MS_MAX = 60_000;
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
  const began = Date.now();
  const isLate = async (lastSeq: number): Promise<boolean> => {
    if (Date.now() - began >= (lastSeq === 0 ? EMPTY_MS_MAX : LATE_MS_MAX)) return true;
    await pause(ASK_AGAIN_MS);
    return false;
  };
  const known = { tables: ledger.datedTables, incarnation };
  const found = await compareHistory(pool, known, witness, { isLate, suspected });
  if (found.agrees) return incarnation;
  onDiffering(found);
  return registerDivergence(pool, ledger, key, incarnation, found, witness);
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
  witness: StreamWitness,
): Promise<Incarnation> {
  const { registry } = ledger;
  const { streamId } = superseded;
  // A long way is walked, and many rows are compared, before any lock is held; what is left of both below is short.
  await ledger.settled(pool, streamId, firstSeq - 1);
  const known = { tables: ledger.datedTables, incarnation: superseded };
  const agreeing = new AgreeingRows(known, witness, commonSeq);
  await agreeing.compareMost(pool);
  return transact(pool, async (database) => {
    const inboxes = await ledger.inboxes(database);
    for (const { key: table } of inboxes) await database.query(LOCK_BATCHES, [table, streamId]);
    const newest = await registry.find(database, key);
    if (newest !== undefined && newest.revision > superseded.revision) return newest;
    await agreeing.compare(database);
    const base = Math.min(commonSeq, await ledger.settled(database, streamId, firstSeq - 1));
    const to = await registry.add(database, key, { incarnation: superseded, seq: base });
    for (const segment of superseded.segments.filter(({ upTo }) => upTo > base)) {
      const from = Math.max(segment.after, base);
      const values = [segment.streamId, to, from, segment.upTo, commonSeq, ...agreeing.columns()];
      await takeAlong(database, ledger, inboxes, values);
      for (const tables of inboxes) await database.query(forgetAttempts(tables), [segment.streamId, from]);
    }
    for (const tables of inboxes) await database.query(followFirsts(tables), [to]);
    await ledger.begin(database, to, base);
    const registered = await registry.find(database, key);
    if (registered === undefined)
      throw new Error(`stream ${key.name} has left the database while it was registered`);
    return registered;
  });
}

/** Gives rows of one segment the new number. @param values as `COMES_ALONG` has them, behind the two numbers */
async function takeAlong(
  database: Queryable,
  { otherTables }: Ledger,
  inboxes: readonly InboxTables[],
  values: readonly unknown[],
): Promise<void> {
  for (const tables of inboxes) await database.query(moveRows(tables, COMES_ALONG), values);
  for (const table of otherTables)
    await database.query(
      `UPDATE ${table} SET stream_id = $2 WHERE stream_id = $1 AND ${COMES_ALONG}`,
      values,
    );
}
