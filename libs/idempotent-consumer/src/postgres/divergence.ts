import { setTimeout as pause } from 'node:timers/promises';
import type { Pool } from 'pg';
import { type Queryable, transact } from '#postgres';
import { AgreeingRows } from './agreeing-rows.js';
import { compareHistory, type HistoryComparison, type StreamWitness } from './history-comparison.js';
import type { InboxTables } from './inbox-tables.js';
import { followFirsts, LOCK_BATCHES, moveRows } from './moved-rows.js';
import type { Incarnation, StreamKey, StreamRegistry } from './stream-registry.js';

/**
 * What a database keeps of a stream, including every inbox whose rows have the stream ids of one registry.
 */
export interface Ledger {
  readonly registry: StreamRegistry;
  /** Tables by which the histories are compared: see `KnownHistory`. */
  readonly datedTables: readonly string[];
  inboxes(database: Queryable): Promise<readonly InboxTables[]>;
  /**
   * Returns up to which sequence everything of an incarnation is settled. Everything up to `floor` counts as
   * settled.
   */
  settled(database: Queryable, streamId: number, floor: number): Promise<number>;
  /**
   * Other tables whose rows have the stream id of their sequence, with `stream_id`, `seq`, `topic` and
   * `event_id`.
   */
  readonly otherTables: readonly string[];
  /** Notes that everything of a new incarnation up to a sequence is settled. */
  begin(database: Queryable, streamId: number, seq: number): Promise<void>;
}

/** The result of a comparison that found two histories. */
export type DifferingHistory = Extract<HistoryComparison, { agrees: false }>;

/** Options of `currentIncarnation`. */
export interface IncarnationOptions {
  /** Called with the differences, before they are registered. */
  readonly onDiffering: (found: DifferingHistory) => void;
  /** Sequences to compare in any case. */
  readonly suspected?: readonly number[];
}

/**
 * Selects the common rows of one segment, and the agreeing ones behind them. Topic and id are compared,
 * because another inbox may have another event under such a sequence. Behind its segment, a stream id has
 * rows that the stream lost at an earlier time.
 */
const COMES_ALONG = `seq > $3 AND seq <= $4 AND (seq <= $5
  OR (seq, topic, coalesce(event_id, '')) IN (SELECT * FROM unnest($6::bigint[], $7::text[], $8::text[])))`;

/** Attempts at lost messages say nothing about the messages that have their sequences now. */
function forgetAttempts(tables: InboxTables): string {
  return `DELETE FROM ${tables.attempt} WHERE stream_id = $1 AND seq > $2`;
}

/**
 * How long a stream that ends before the ledger does is asked again. A leader that was cut off gives up
 * sooner without a majority.
 */
const LATE_MS_MAX = 6_000;
/**
 * The same for an empty stream. A broker that came back without its files may lead with an empty stream, for
 * 6 s in one case. An empty stream has nothing to read meanwhile.
 */
const EMPTY_MS_MAX = 60_000;
const ASK_AGAIN_MS = 250;

/**
 * Returns the current incarnation of a stream. It is the newest one, if the stream has the history that the
 * ledger knows. Otherwise a new one is registered.
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
 * Registers that a stream has lost its newest messages: a new incarnation, based on the one before.
 *
 *   rows of the old stream id   settled without a gap │ stored ahead of a gap │ mostly lost by the stream
 *   sequence                                        base                    common
 *   afterwards                  stay, belong to both  │ get the new stream id │ agreeing rows get the new stream id,
 *                                                     │                       │ others stay and belong to the old one alone
 *
 * The new incarnation begins behind `base`. Consumers are reset to there, everything behind it is delivered
 * again, and the ids decide. Rows between `base` and `common` are of the same messages, so they get the new
 * stream id. Redelivered, they are found already processed, and count once. The same holds for single
 * agreeing rows behind `common` (agreeing-rows.ts). Rows of lost messages stay, because they were received
 * and stored.
 *
 * It is one transaction, under the locks that every batch of every inbox shares. So no batch is decided
 * meanwhile, and each later one finds its incarnation superseded. When several processes notice the loss at
 * once, the first one registers it.
 *
 * @param superseded the incarnation that was compared
 * @returns the newest incarnation, even if another process registered it first
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
  // Most of the reading and comparing is done before any lock is held. Only a short rest remains for later.
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
      throw new Error(`stream ${key.name} was removed from the database while it was registered`);
    return registered;
  });
}

/**
 * Gives rows of one segment the new stream id. @param values as `COMES_ALONG` expects them, after the two
 * stream ids
 */
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
