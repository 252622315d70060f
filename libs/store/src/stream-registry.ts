/**
 * The incarnations of streams: the small numbers under which sequences are stored.
 *
 * An incarnation may be based on an older one: up to a sequence the stream has the same messages as before, behind it
 * others. Then the rows up to there stay where they are, under the older number, and only what comes behind gets the
 * new one. Numbers grow with time, so that a reader who goes on by (number, sequence) misses and repeats nothing.
 *
 *   sequence   1 … 7      8 … 10            number 1: stored before the stream lost 8 to 10
 *              1 … 7      8 … 12 …          number 2, based on number 1 up to 7
 */
import type { Queryable } from './queryable.js';

/** What the brokers tell of a stream: its name, and the identity that setup gave it. */
export interface StreamKey {
  readonly name: string;
  readonly identity: string;
}

/** Sequences whose rows are under one number: those behind `after`, up to `upTo`. */
export interface LedgerSegment {
  readonly streamId: number;
  readonly after: number;
  readonly upTo: number;
}

/** One incarnation, and where the rows of its sequences are. */
export interface Incarnation {
  readonly streamId: number;
  /** 1 for the first of a stream. */
  readonly revision: number;
  /** Ascending, without a gap, from sequence 1 on; the last one has the number of the incarnation and no end. */
  readonly segments: readonly LedgerSegment[];
}

interface StreamRow {
  readonly stream_id: number;
  readonly revision: number;
  readonly base_stream_id: number | null;
  readonly base_seq: number;
}

const SELECT_INCARNATIONS = `
SELECT stream_id, revision, base_stream_id, base_seq::float8 AS base_seq
FROM sekali.stream WHERE name = $1 AND identity = $2 ORDER BY revision DESC`;
const INSERT_STREAM = `INSERT INTO sekali.stream (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`;

/** The newest incarnation of a stream; `undefined` when the database has never heard of it. */
export async function findIncarnation(
  database: Queryable,
  { name, identity }: StreamKey,
): Promise<Incarnation | undefined> {
  const { rows } = await database.query<StreamRow>(SELECT_INCARNATIONS, [name, identity]);
  const newest = rows[0];
  if (newest === undefined) return undefined;
  return { streamId: newest.stream_id, revision: newest.revision, segments: segmentsOf(newest, rows) };
}

/** The newest incarnation of a stream, given a number on first sight. */
export async function incarnationOf(database: Queryable, key: StreamKey): Promise<Incarnation> {
  for (;;) {
    const known = await findIncarnation(database, key);
    if (known !== undefined) return known;
    await database.query(INSERT_STREAM, [key.name, key.identity]);
  }
}

const STREAM_NAMES = `SELECT DISTINCT name FROM sekali.stream ORDER BY name`;

/** The names of all streams that the database has heard of. */
export async function streamNames(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(STREAM_NAMES);
  return rows.map((row) => row.name);
}

const LATEST_OF_NAME = `
SELECT identity, bool_or(identity = $2) OVER () AS known
FROM sekali.stream WHERE name = $1 ORDER BY stream_id DESC LIMIT 1`;

/**
 * The identity under which the database may know a stream that has none of its own yet: the instant of its creation, or
 * what the newest stream of its name is known by, where the brokers changed that instant.
 */
export async function knownIdentity(database: Queryable, name: string, created: string): Promise<string> {
  const { rows } = await database.query<{ identity: string; known: boolean }>(LATEST_OF_NAME, [
    name,
    created,
  ]);
  const latest = rows[0];
  return latest === undefined || latest.known ? created : latest.identity;
}

/** The number of the newest incarnation of a stream, given on first sight. */
export async function streamIdOf(database: Queryable, key: StreamKey): Promise<number> {
  return (await incarnationOf(database, key)).streamId;
}

/** From the newest to the oldest: each base counts only below all that is based on it. */
function segmentsOf(newest: StreamRow, rows: readonly StreamRow[]): LedgerSegment[] {
  const segments: LedgerSegment[] = [];
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
