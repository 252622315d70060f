import type { Queryable } from '#postgres';
import type { SequenceSegment, StreamIncarnation } from '../stream-history.js';

/**
 * What the brokers report of a stream: its name, and what distinguishes it from another stream of that name.
 */
export interface StreamKey {
  readonly name: string;
  readonly identity: string;
}

/** One incarnation, and where the rows of its sequences are. */
export interface Incarnation extends StreamIncarnation {
  /** 1 for the first incarnation of a stream. */
  readonly revision: number;
}

/** What an incarnation is based on: the rows up to `seq` belong to the older one. */
export interface IncarnationBase {
  readonly incarnation: Pick<Incarnation, 'streamId' | 'revision'>;
  readonly seq: number;
}

interface StreamRow {
  readonly stream_id: number;
  readonly revision: number;
  readonly base_stream_id: number | null;
  readonly base_seq: number;
}

/**
 * The stream incarnations of one table, with the stream ids under which sequences are stored.
 *
 * An incarnation may be based on an older one: up to a sequence the stream has the same messages, and then it
 * has others. The rows up to there keep the older stream id, and only later sequences get the new one. Stream
 * ids grow with time, so a reader that continues by (stream id, sequence) misses and repeats nothing.
 *
 *   sequence   1 … 7      8 … 10            stream id 1: stored before the stream lost 8 to 10
 *              1 … 7      8 … 12 …          stream id 2, based on stream id 1 up to 7
 */
export class StreamRegistry {
  private readonly incarnations: string;
  private readonly insertFirst: string;
  private readonly insertNext: string;

  /**
   * @param table the qualified name of a table with `stream_id`, `name`, `revision`, `base_stream_id` and
   *   `base_seq`
   * @param identityColumn the column that distinguishes streams of one name
   */
  constructor(table: string, identityColumn = 'identity') {
    this.incarnations = `
SELECT stream_id, revision, base_stream_id, base_seq::float8 AS base_seq
FROM ${table} WHERE name = $1 AND ${identityColumn} = $2 ORDER BY revision DESC`;
    this.insertFirst = `INSERT INTO ${table} (name, ${identityColumn}) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
    this.insertNext = `
INSERT INTO ${table} (name, ${identityColumn}, revision, base_stream_id, base_seq) VALUES ($1, $2, $3, $4, $5)
RETURNING stream_id`;
  }

  /**
   * Returns the newest incarnation of a stream, or `undefined` for a stream that the database does not know.
   */
  async find(database: Queryable, { name, identity }: StreamKey): Promise<Incarnation | undefined> {
    const { rows } = await database.query<StreamRow>(this.incarnations, [name, identity]);
    const newest = rows[0];
    if (newest === undefined) return undefined;
    return { streamId: newest.stream_id, revision: newest.revision, segments: segmentsOf(newest, rows) };
  }

  /** Returns the newest incarnation of a stream, and registers an unknown stream. */
  async of(database: Queryable, key: StreamKey): Promise<Incarnation> {
    for (;;) {
      const known = await this.find(database, key);
      if (known !== undefined) return known;
      await database.query(this.insertFirst, [key.name, key.identity]);
    }
  }

  /** Adds an incarnation that is based on an older one. @returns its stream id */
  async add(database: Queryable, key: StreamKey, { incarnation, seq }: IncarnationBase): Promise<number> {
    const { rows } = await database.query<{ stream_id: number }>(this.insertNext, [
      key.name,
      key.identity,
      incarnation.revision + 1,
      incarnation.streamId,
      seq,
    ]);
    const [row] = rows;
    if (row === undefined) throw new Error(`the new incarnation of stream ${key.name} got no stream id`);
    return row.stream_id;
  }
}

/** From the newest to the oldest: each base counts only below all incarnations that are based on it. */
function segmentsOf(newest: StreamRow, rows: readonly StreamRow[]): SequenceSegment[] {
  const segments: SequenceSegment[] = [];
  let upTo = Number.MAX_SAFE_INTEGER;
  for (let row: StreamRow | undefined = newest; row !== undefined && upTo > 0;) {
    const { base_stream_id: base, base_seq: baseSeq, stream_id: streamId }: StreamRow = row;
    const after = base === null ? 0 : Math.min(baseSeq, upTo);
    if (upTo > after) segments.unshift({ streamId, after, upTo });
    upTo = after;
    row = base === null ? undefined : rows.find((other) => other.stream_id === base);
  }
  return segments;
}
