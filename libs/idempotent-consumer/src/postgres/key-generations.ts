/**
 * The generations of one inbox's keys, as a process knows them.
 *
 *   generation   0 ─closed─▶ 1 ─closed─▶ … ─▶ youngest      only the youngest takes new ids
 *   lookup       what the filters suspect in a closed one   │ the unique constraint of the youngest decides
 *
 * Promise: an id is in one generation. A closed table refuses inserts, and closing it waits for the
 * transactions that have inserted. So a claim that succeeds proves that its table is still the youngest, and
 * that the closed ones are complete. A process that has missed a change learns it from that refusal, and
 * decides once more. Before the first change, nothing is looked up.
 *
 * A program may empty closed tables, and drop them a day later, when it has deleted their rows in the registry. So a
 * process that has closed generations reads the registry again after a minute, before its next batch.
 *
 * Two designs were considered for learning of a change. Reading the registry when a transaction begins would
 * cost every batch, and still need the refusal for a change right after. So the refusal alone is used. Only a
 * store that went back in time refuses nothing, so a new connection reads the registry before it is used.
 *
 * A sequence is in one generation, too. The constraint on sequences covers one table, so a sequence up to the
 * largest closed one is looked up. New messages have larger ones.
 */
import { type Queryable, readBigints } from '#postgres';
import type { Message } from '../delivery.js';
import type { Transaction } from '../effect.js';
import { type InboxStatements, inboxStatements } from './inbox-statements.js';
import { generationTable, type InboxTables } from './inbox-tables.js';
import { allSuspect, type ClosedGeneration, type KeyFilters } from './key-filters.js';
import { identityColumns, seqColumn } from './message-columns.js';
import { together } from './transaction.js';

/** Returns the filters of closed generations. */
export type FiltersFor = (closed: readonly ClosedGeneration[]) => KeyFilters;

/** Messages of a batch, by what closed generations know of them. */
export interface DividedByKeys<E> {
  /** Their ids and sequences are in no closed generation. */
  readonly left: readonly Message<E>[];
  /** Their ids are in closed generations, in ascending order of these. */
  readonly known: readonly KnownInGeneration<E>[];
  /** Other messages whose sequence has a key: they were decoded otherwise, or belong to another history. */
  readonly held: readonly Message<E>[];
}

/** Messages whose ids one generation has, and the statements on it. */
export interface KnownInGeneration<E> {
  readonly statements: InboxStatements;
  readonly messages: readonly Message<E>[];
}

/** One state of the generations. It never changes, so a batch claims where it believes that it looked. */
export class KeyGenerations {
  /** The statements on the generation that takes new ids. */
  readonly youngest: InboxStatements;
  /** The table of that generation. */
  readonly youngestTable: string;
  private readonly closed: readonly number[];
  private readonly statements: ReadonlyMap<number, InboxStatements>;
  /** The largest sequences in closed generations by stream id. */
  private readonly closedSeqs = new Map<number, number>();

  constructor(
    private readonly tables: InboxTables,
    readonly number: number,
    private readonly closings: readonly ClosedGeneration[],
    private readonly filters: KeyFilters,
  ) {
    this.closed = closings.map(({ number }) => number);
    this.youngestTable = generationTable(tables.key, number);
    this.youngest = inboxStatements(tables, this.youngestTable);
    this.statements = new Map(
      this.closed.map((number) => [number, inboxStatements(tables, generationTable(tables.key, number))]),
    );
  }

  /** Whether ids may be in closed generations. Otherwise `divide` need not be called. */
  get hasClosed(): boolean {
    return this.closed.length > 0;
  }

  /** Whether the registry still says what this state was read from. */
  isAs(youngest: number, closings: readonly ClosedGeneration[]): boolean {
    return (
      this.number === youngest &&
      this.closings.length === closings.length &&
      closings.every(({ number, closedAt }, at) => {
        const mine = this.closings[at];
        return mine?.number === number && mine.closedAt === closedAt;
      })
    );
  }

  /**
   * Divides the messages of a batch by what closed generations know. What it finds stays true; what it does
   * not find is new only if the claim that follows is not refused.
   */
  async divide<E>(transaction: Transaction, messages: readonly Message<E>[]): Promise<DividedByKeys<E>> {
    const [found, heldSeqs] = await together([
      this.generationsOf(transaction, messages),
      this.heldAmong(transaction, messages),
    ]);
    if (found.size === 0 && heldSeqs.size === 0) return { left: messages, known: [], held: [] };
    const left: Message<E>[] = [];
    const held: Message<E>[] = [];
    const known = new Map<number, Message<E>[]>(this.closed.map((number) => [number, []]));
    for (const message of messages) {
      const { seq } = message.delivery;
      const place = known.get(found.get(seq) ?? -1) ?? (heldSeqs.has(seq) ? held : left);
      place.push(message);
    }
    return { left, held, known: this.withStatements(known) };
  }

  private withStatements<E>(known: ReadonlyMap<number, readonly Message<E>[]>): KnownInGeneration<E>[] {
    return [...this.statements].flatMap(([number, statements]) => {
      const messages = known.get(number) ?? [];
      return messages.length === 0 ? [] : [{ statements, messages }];
    });
  }

  /** Returns the closed generations that have the ids of messages, by sequence. */
  private async generationsOf(
    transaction: Transaction,
    messages: readonly Message<unknown>[],
  ): Promise<ReadonlyMap<number, number>> {
    const suspects = new Map<number, Message<unknown>[]>();
    for (const message of messages)
      for (const number of this.filters.suspectsOf(message.topic, message.eventId)) {
        const those = suspects.get(number);
        if (those) those.push(message);
        else suspects.set(number, [message]);
      }
    const found = new Map<number, number>();
    const search = async (number: number, those: readonly Message<unknown>[]): Promise<void> => {
      const known = this.statements.get(number)?.known;
      if (known === undefined)
        throw new Error(`the filters suspect generation ${number}, which is not closed`);
      const { rows } = await transaction.query<{ seqs: string | null }>(known, identityColumns(those));
      const seqs = readBigints(rows[0]?.seqs ?? null);
      for (const seq of seqs) found.set(seq, number);
      this.filters.found?.(number, seqs.length);
    };
    await together([...suspects].map(([number, those]) => search(number, those)));
    return found;
  }

  /** Returns which sequences of messages have a key, among those that a closed generation may have. */
  private async heldAmong(
    transaction: Transaction,
    messages: readonly Message<unknown>[],
  ): Promise<ReadonlySet<number>> {
    const last = await this.closedSeqMax(transaction);
    const old = messages.filter(({ delivery }) => delivery.seq <= last);
    if (old.length === 0) return new Set();
    const values = [transaction.streamId, seqColumn(old)];
    const { rows } = await transaction.query<{ seqs: string | null }>(this.youngest.held, values);
    return new Set(readBigints(rows[0]?.seqs ?? null));
  }

  /**
   * Returns the largest sequence of an incarnation in closed generations. It is read once. Rows get another
   * stream id only when that id is registered, before any batch of it.
   */
  private async closedSeqMax(transaction: Transaction): Promise<number> {
    const { streamId } = transaction;
    const known = this.closedSeqs.get(streamId);
    if (known !== undefined) return known;
    const largest = this.closed.map(
      (number) =>
        `(SELECT max(seq) FROM ONLY ${generationTable(this.tables.key, number)} WHERE stream_id = $1)`,
    );
    const { rows } = await transaction.query<{ seq: number | null }>(
      `SELECT greatest(${largest.join(', ')})::float8 AS seq`,
      [streamId],
    );
    const seq = rows[0]?.seq ?? 0;
    this.closedSeqs.set(streamId, seq);
    return seq;
  }
}

/** How long a state with closed generations is believed. */
const BELIEVED_MS_MAX = 60_000;

/** The registry of an inbox's generations, with the state that was read last. */
export class GenerationRegistry {
  private readAtMs = -Infinity;

  /** The last state, at first that before any change. */
  current: KeyGenerations;

  /**
   * @param filtersFor it is called after each change; without it, every closed generation is looked up
   * @param believedMsMax how long a state with closed generations is believed, in milliseconds
   */
  constructor(
    private readonly tables: InboxTables,
    private readonly filtersFor: FiltersFor = allSuspect,
    private readonly believedMsMax = BELIEVED_MS_MAX,
  ) {
    this.current = new KeyGenerations(tables, 0, [], allSuspect([]));
  }

  /** Whether the state is so old that its closed generations may be gone. */
  get isOld(): boolean {
    return this.current.hasClosed && performance.now() - this.readAtMs > this.believedMsMax;
  }

  /**
   * Reads the registry, because the youngest generation of a state refused an insert.
   *
   * @returns whether `current` is another state now
   */
  async renew(database: Queryable, refused: KeyGenerations): Promise<boolean> {
    const { keyGeneration } = this.tables;
    // Another batch may have read it meanwhile.
    if (this.current === refused && keyGeneration !== undefined) await this.read(database, keyGeneration);
    return this.current !== refused;
  }

  /**
   * Reads the registry on a connection that this process has not used yet.
   *
   * A store that went back in time, by a failover or a restore, has broken every connection. It may have fewer
   * generations than this process knows, and close one of them a second time, with other keys.
   */
  async readAgain(database: Queryable): Promise<void> {
    const { keyGeneration } = this.tables;
    if (keyGeneration === undefined) return;
    const there = await database.query<{ present: boolean }>(
      'SELECT to_regclass($1) IS NOT NULL AS present',
      [keyGeneration],
    );
    if (there.rows[0]?.present === true) await this.read(database, keyGeneration);
    else this.become(0, []);
  }

  private async read(database: Queryable, registry: string): Promise<void> {
    this.readAtMs = performance.now();
    const { rows } = await database.query<{ number: number; closedAt: string | null }>(
      `SELECT number, extract(epoch FROM closed_at)::text AS "closedAt" FROM ${registry} ORDER BY number`,
    );
    const youngest = rows.find(({ closedAt }) => closedAt === null)?.number ?? 0;
    this.become(
      youngest,
      rows.flatMap(({ number, closedAt }) => (closedAt === null ? [] : [{ number, closedAt }])),
    );
  }

  private become(youngest: number, closed: readonly ClosedGeneration[]): void {
    if (this.current.isAs(youngest, closed)) return;
    const filters = closed.length === 0 ? allSuspect([]) : this.filtersFor(closed);
    this.current = new KeyGenerations(this.tables, youngest, closed, filters);
  }
}
