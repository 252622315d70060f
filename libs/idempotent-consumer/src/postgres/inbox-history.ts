import type { Pool } from 'pg';
import { onNewConnection, type Queryable } from '#postgres';
import type { ConsumerState, StreamState } from '../delivery-source.js';
import type { ConsumerStart, ForeignSequences, StreamHistory, StreamIncarnation } from '../stream-history.js';
import { currentIncarnation, type DifferingHistory, type Ledger } from './divergence.js';
import { isSameHistory, type StreamSearch } from './history-comparison.js';
import { FilteredLosses } from './filtered-losses.js';
import { type InboxTables, messageTables } from './inbox-tables.js';
import { SettledHorizon } from './settled-horizon.js';
import { type Incarnation, type StreamKey, StreamRegistry } from './stream-registry.js';

/** Whose history it is. */
export interface InboxHistoryOptions {
  readonly pool: Pool;
  /** The tables, as `createInbox` created them. */
  readonly tables: InboxTables;
  readonly witness: StreamSearch;
  /**
   * Whether some messages of the stream leave no row, because they are acknowledged unread. The default is
   * false.
   */
  readonly leavesGaps?: boolean;
  /** The subjects of the messages that leave a row all the same; every subject by default. */
  readonly subjects?: readonly string[];
  /** The table of events that wait for their turn, for a consumer that keeps an order. */
  readonly parked?: string;
  /** Called when the stream has lost messages that the inbox has. */
  readonly onDiffering?: (found: DifferingHistory) => void;
}

interface Begun {
  readonly begun: boolean;
  /** Whether the inbox knew an earlier stream of this name. */
  readonly is_later: boolean;
}

/**
 * What one inbox knows of its stream, in its own tables: the incarnation, and where the consumer must begin.
 *
 * The inbox and the stream are compared before each session. What follows for the consumer:
 *
 *   the first consumer that the inbox meets ────▶ it continues: acknowledged messages are not read again
 *   the stream lost its newest messages ────────▶ a new incarnation; the consumer is reset to its beginning
 *   another stream has the same name ───────────▶ a new incarnation; the consumer is reset to the first message
 *   the same stream has another identity ───────▶ it continues: a broker that stands alone may change the time of creation
 *   the consumer is ahead of the stream ────────▶ it is reset to the first unsettled message
 *   it acknowledged messages that have no row ──▶ it is reset to the first of them, as after the restore of a backup
 *
 * A redelivered message is found already processed. The last case also applies to a consumer that leaves
 * messages out: the stream says which of them should have rows.
 */
export class InboxHistory implements StreamHistory {
  private readonly registry: StreamRegistry;
  private readonly horizon: SettledHorizon;
  private readonly filtered: FilteredLosses;
  private readonly ledger: Ledger;
  private readonly statements: ReturnType<typeof statementsFor>;
  private readonly datedTables: readonly string[];
  private current: Incarnation | undefined;

  constructor(private readonly options: InboxHistoryOptions) {
    const { tables, parked } = options;
    const withParked = { ...tables, ...(parked !== undefined && { parked }) };
    this.datedTables = messageTables(tables);
    this.statements = statementsFor(tables.stream);
    this.registry = new StreamRegistry(tables.stream);
    this.horizon = new SettledHorizon(withParked, this.statements.horizon);
    this.filtered = new FilteredLosses(withParked, this.horizon, this.statements.horizon);
    this.ledger = {
      registry: this.registry,
      datedTables: this.datedTables,
      inboxes: () => Promise.resolve([tables]),
      settled: (database, streamId, floor) => this.horizon.settled(database, streamId, floor),
      otherTables: [],
      begin: (database, streamId, seq) => this.horizon.keep(database, streamId, 0, seq),
    };
  }

  async incarnation({ name, identity }: StreamState, foreign?: ForeignSequences): Promise<StreamIncarnation> {
    const { pool, witness, onDiffering = () => undefined } = this.options;
    const key = { name, identity };
    this.filtered.suspect();
    await this.adopt(key);
    this.current = await currentIncarnation(pool, this.ledger, key, witness, {
      onDiffering,
      ...(foreign && { suspected: foreign.seqs }),
    });
    return this.current;
  }

  async startOf(
    { streamId }: StreamIncarnation,
    consumer: ConsumerState,
  ): Promise<ConsumerStart | undefined> {
    const { current } = this;
    if (current?.streamId !== streamId) return undefined;
    const { pool, leavesGaps = false, subjects = [], witness } = this.options;
    const { stream, ackFloorSeq, deliveredSeq } = consumer;
    const { rows } = await pool.query<Begun>(this.statements.begun, [streamId]);
    const { begun = false, is_later: isLater = false } = rows[0] ?? {};
    const acknowledged = Math.min(ackFloorSeq, stream.lastSeq);
    if (!begun && !isLater) await this.begin(pool, streamId, acknowledged);
    const isAhead = Math.max(deliveredSeq, ackFloorSeq) > stream.lastSeq;
    if (isAhead || (!begun && isLater))
      return { seq: await this.firstToRead(pool, current, stream.firstSeq) };
    const bounds = { floor: stream.firstSeq - 1, acknowledged };
    const { segments } = current;
    const filters = leavesGaps ? subjects : (consumer.filters ?? []);
    const loss =
      filters.length === 0
        ? await this.horizon.loss(pool, segments, bounds, witness)
        : await this.filtered.loss(pool, segments, bounds, witness, filters);
    return loss && { seq: loss.firstSeq, loss };
  }

  async started({ streamId }: StreamIncarnation): Promise<void> {
    await this.options.pool.query(this.statements.begin, [streamId, 0]);
  }

  onNewConnection(listener: () => void): () => void {
    return onNewConnection(this.options.pool, (server) => {
      void this.filtered.connected(server).then(listener);
    });
  }

  /** Returns where a new consumer must begin: at the first message that is not settled. */
  async beginning({
    name,
    identity,
    firstSeq,
  }: Pick<StreamState, 'name' | 'identity' | 'firstSeq'>): Promise<number> {
    const { pool } = this.options;
    const known = await this.registry.find(pool, { name, identity });
    return known === undefined ? firstSeq : this.firstToRead(pool, known, firstSeq);
  }

  /** Returns the first unsettled sequence that the stream still has. */
  private async firstToRead(
    database: Queryable,
    { segments }: Incarnation,
    firstSeq: number,
  ): Promise<number> {
    let at = firstSeq - 1;
    for (const { streamId, upTo } of segments) {
      if (at >= upTo) continue;
      const from = Math.max(at, Math.min(upTo, await this.horizon.kept(database, streamId)));
      at = Math.min(upTo, await this.horizon.walk(database, streamId, from));
      if (at < upTo) break;
    }
    return at + 1;
  }

  /** Notes that the consumer's position is right, and that its acknowledged messages count as settled. */
  private async begin(database: Queryable, streamId: number, acknowledged: number): Promise<void> {
    await database.query(this.statements.begin, [streamId, acknowledged]);
  }

  /**
   * Takes over a stream whose identity changed. Its messages show whether it is the stream that the inbox
   * knows.
   */
  private async adopt({ name, identity }: StreamKey): Promise<void> {
    const { pool, witness } = this.options;
    const { rows } = await pool.query<{ identity: string; known: boolean }>(this.statements.latest, [
      name,
      identity,
    ]);
    const latest = rows[0];
    if (latest === undefined || latest.known) return;
    const incarnation = await this.registry.find(pool, { name, identity: latest.identity });
    if (incarnation === undefined) return;
    const known = { tables: this.datedTables, incarnation };
    if (await isSameHistory(pool, known, witness))
      await pool.query(this.statements.rename, [name, latest.identity, identity]);
  }
}

function statementsFor(table: string) {
  return {
    horizon: {
      read: `SELECT settled_seq::float8 AS seq FROM ${table} WHERE stream_id = $1`,
      write: `
UPDATE ${table} SET settled_seq = moved.seq FROM moved WHERE stream_id = $1 AND settled_seq < moved.seq`,
    },
    begun: `
SELECT begun_at IS NOT NULL AS begun,
  EXISTS (SELECT FROM ${table} other WHERE other.name = this.name AND other.stream_id < this.stream_id) AS is_later
FROM ${table} this WHERE stream_id = $1`,
    begin: `
UPDATE ${table} SET begun_at = now(), settled_seq = GREATEST(settled_seq, $2::bigint)
WHERE stream_id = $1 AND begun_at IS NULL`,
    latest: `
SELECT identity, bool_or(identity = $2) OVER () AS known
FROM ${table} WHERE name = $1 ORDER BY stream_id DESC LIMIT 1`,
    rename: `UPDATE ${table} SET identity = $3 WHERE name = $1 AND identity = $2`,
  };
}
