/**
 * What an inbox knows of its stream, in tables of its own: which incarnation it is, and where the consumer has to be.
 *
 * Before each session the inbox and the stream are compared. What becomes of a consumer then:
 *
 *   the first one that this inbox sees ───────▶ it goes on where it stands: what it has acknowledged is not read again
 *   a stream that lost its newest messages ───▶ a new incarnation; it is put back to where that begins
 *   another stream of the same name ──────────▶ a new incarnation; it is put back to the first message
 *   the same stream under another identity ───▶ it goes on: a broker that stands alone changes the instant of creation
 *   it is ahead of the stream ────────────────▶ it is put back to what is not settled
 *   it acknowledged what the inbox lost ──────▶ it is put back there, as after the restore of a backup
 *
 * Whatever is delivered again is found already processed. The last of these needs a row for each message up to the ack floor,
 * so it is left out for a consumer that leaves messages out.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';
import type { ConsumerSight, StreamSight } from '../jetstream/durable-consumer.js';
import type { ForeignSequences, StreamHistory, StreamIncarnation } from '../stream-history.js';
import { currentIncarnation, type DifferingHistory, type Ledger } from './divergence.js';
import { isSameHistory, type StreamWitness } from './history-comparison.js';
import type { InboxTables } from './inbox-tables.js';
import { SettledHorizon } from './settled-horizon.js';
import { type Incarnation, type StreamKey, StreamRegistry } from './stream-registry.js';

/** Whose history. */
export interface InboxHistoryOptions {
  readonly pool: Pool;
  /** As `createInbox` created them. */
  readonly tables: InboxTables;
  readonly witness: StreamWitness;
  /** Whether some messages of the stream leave no row, because they are acknowledged unread. */
  readonly leavesGaps?: boolean;
  /** Hears that the stream has lost messages that the inbox has. */
  readonly onDiffering?: (found: DifferingHistory) => void;
}

interface Begun {
  readonly begun: boolean;
  /** Whether the inbox knew a stream of this name before. */
  readonly is_later: boolean;
}

/** The history of one inbox. See the head of this file. */
export class InboxHistory implements StreamHistory {
  private readonly registry: StreamRegistry;
  private readonly horizon: SettledHorizon;
  private readonly ledger: Ledger;
  private readonly statements: ReturnType<typeof statementsFor>;
  private readonly datedTables: readonly string[];
  private current: Incarnation | undefined;

  constructor(private readonly options: InboxHistoryOptions) {
    const { tables } = options;
    this.datedTables = [tables.key, tables.duplicate, tables.deadLetter];
    this.statements = statementsFor(tables.stream);
    this.registry = new StreamRegistry(tables.stream);
    this.horizon = new SettledHorizon(tables, this.statements.horizon);
    this.ledger = {
      registry: this.registry,
      datedTables: this.datedTables,
      inboxes: () => Promise.resolve([tables]),
      settled: (database, streamId, floor) => this.horizon.settled(database, streamId, floor),
      otherTables: [],
      begin: (database, streamId, seq) => this.horizon.keep(database, streamId, seq),
    };
  }

  async incarnation({ name, identity }: StreamSight, foreign?: ForeignSequences): Promise<StreamIncarnation> {
    const { pool, witness, onDiffering = () => undefined } = this.options;
    const key = { name, identity };
    await this.adopt(key);
    this.current = await currentIncarnation(pool, this.ledger, key, witness, {
      onDiffering,
      ...(foreign && { suspected: foreign.seqs }),
    });
    return this.current;
  }

  async startOf({ streamId }: StreamIncarnation, consumer: ConsumerSight): Promise<number | undefined> {
    const { current } = this;
    if (current?.streamId !== streamId) return undefined;
    const { pool, leavesGaps = false, witness } = this.options;
    const { stream, ackFloorSeq, deliveredSeq } = consumer;
    const { rows } = await pool.query<Begun>(this.statements.begun, [streamId]);
    const { begun = false, is_later: isLater = false } = rows[0] ?? {};
    const acknowledged = Math.min(ackFloorSeq, stream.lastSeq);
    if (!begun && !isLater) await this.begin(pool, streamId, acknowledged);
    const isAhead = Math.max(deliveredSeq, ackFloorSeq) > stream.lastSeq;
    if (isAhead || (!begun && isLater)) return this.firstToRead(pool, current, stream.firstSeq);
    if (leavesGaps || consumer.isFiltered === true) {
      await this.horizon.keep(pool, streamId, acknowledged);
      return undefined;
    }
    const missing = await this.horizon.firstUnsettled(pool, streamId, stream.firstSeq - 1, acknowledged);
    if (missing === undefined) return undefined;
    // A message that was deleted cannot be read again.
    return (await witness.publishedAt([missing])).has(missing) ? missing : undefined;
  }

  async started({ streamId }: StreamIncarnation): Promise<void> {
    await this.options.pool.query(this.statements.begin, [streamId, 0]);
  }

  /** Where a consumer begins that has to be created: at what is not settled. */
  async beginning({
    name,
    identity,
    firstSeq,
  }: Pick<StreamSight, 'name' | 'identity' | 'firstSeq'>): Promise<number> {
    const { pool } = this.options;
    const known = await this.registry.find(pool, { name, identity });
    return known === undefined ? firstSeq : this.firstToRead(pool, known, firstSeq);
  }

  /** The first sequence that is not settled, of those that the stream still has. */
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

  /** Notes that the consumer stands where it must, and that all it has acknowledged until now counts as settled. */
  private async begin(database: Queryable, streamId: number, acknowledged: number): Promise<void> {
    await database.query(this.statements.begin, [streamId, acknowledged]);
  }

  /** A stream may come under another identity: then its messages say whether it is the one that the inbox knows. */
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
      write: `UPDATE ${table} SET settled_seq = $2 WHERE stream_id = $1 AND settled_seq < $2`,
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
