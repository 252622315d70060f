import type { Queryable } from '#postgres';
import type { Incarnation } from './stream-registry.js';

/**
 * Reports what the brokers have under the sequences of a stream. Both methods throw when the brokers do not
 * answer.
 */
export interface StreamWitness {
  bounds(): Promise<{ readonly firstSeq: number; readonly lastSeq: number }>;
  /**
   * Returns when messages were published, in milliseconds, by sequence. Messages that the stream does not
   * have are left out.
   */
  publishedAt(seqs: readonly number[]): Promise<ReadonlyMap<number, number>>;
}

/** Finds messages of a stream as well. It throws when the brokers do not answer. */
export interface StreamSearch extends StreamWitness {
  /**
   * Returns the first message at or after a sequence, with its publishing time in milliseconds. It returns
   * `undefined` when there is none.
   *
   * @param subject only messages whose subject matches it count; the default is every subject
   */
  nextAt(
    seq: number,
    subject?: string,
  ): Promise<{ readonly seq: number; readonly publishedMs: number } | undefined>;
}

/** The result of a comparison. */
export type HistoryComparison =
  | { readonly agrees: true }
  | {
      readonly agrees: false;
      /** Up to this sequence both have the same messages. */
      readonly commonSeq: number;
      /** The newest sequence of the database. */
      readonly knownSeq: number;
      readonly firstSeq: number;
      readonly lastSeq: number;
      /** A sequence whose message differs; left out when the stream only ends earlier. */
      readonly differsAt?: number;
    };

/** When the message of one row was published. */
interface Evidence {
  readonly seq: number;
  readonly publishedMs: number;
}

/** How many of the newest rows are compared one by one. Behind them the distances double. */
const NEWEST_ROWS = 8;

/** What a database knows of one incarnation. */
export interface KnownHistory {
  /**
   * Tables with `stream_id`, `seq` and `published_at`, an index on the first two, and a row for each message.
   */
  readonly tables: readonly string[];
  readonly incarnation: Incarnation;
}

/** Options of a comparison. */
export interface ComparisonOptions {
  /**
   * Decides whether to believe that the stream ends at `lastSeq`, before the ledger does, or to ask again. A
   * broker that has just lost the leadership may still answer, with an older state. The function may wait. By
   * default the answer is believed at once.
   */
  readonly isLate?: (lastSeq: number) => Promise<boolean>;
  /** Sequences to compare in any case. */
  readonly suspected?: readonly number[];
}

// Each table is read along its own index, downwards from the given sequence.
function evidenceStatement(tables: readonly string[]): string {
  const newestOf = (table: string): string => `
    (SELECT seq, published_at FROM ${table}
     WHERE stream_id = requested.stream_id AND seq > requested.after AND seq <= requested.up_to ORDER BY seq DESC LIMIT $4)`;
  return `
SELECT newest.seq::float8 AS seq, extract(epoch FROM newest.published_at)::float8 * 1000 AS published_ms
FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) AS requested (stream_id, after, up_to)
CROSS JOIN LATERAL (
  SELECT * FROM (${tables.map(newestOf).join('\n    UNION ALL')}
  ) found ORDER BY seq DESC LIMIT $4
) newest
ORDER BY newest.seq DESC`;
}

/**
 * Compares what the database knows of one incarnation with the current stream. The database is asked first,
 * so a sound stream has at least as much.
 *
 * Brokers that were restored, or that lost power, give their next messages sequences that the database has
 * already. Two messages under one sequence differ in their publishing times. So these are compared, and never
 * the sequences alone.
 *
 * Both histories begin alike. The newest rows are compared first, and then older ones at distances that
 * double. If one differs, the last common message is found by halving. A row whose message has left the
 * stream by age cannot be compared, and counts as the same. During the halving a hole in the stream counts as
 * different, because reading too much again loses nothing.
 */
export async function compareHistory(
  database: Queryable,
  known: KnownHistory,
  witness: StreamWitness,
  { isLate = () => Promise.resolve(true), suspected = [] }: ComparisonOptions = {},
): Promise<HistoryComparison> {
  const newest = await evidenceBelow(database, known, Number.MAX_SAFE_INTEGER, NEWEST_ROWS);
  const last = newest[0];
  if (last === undefined) return { agrees: true };
  const older = await evidenceAt(database, known, [...doublingBelow(last.seq), ...suspected]);
  const samples = [...newest, ...older].sort((a, b) => b.seq - a.seq);
  for (;;) {
    const { firstSeq, lastSeq } = await witness.bounds();
    const differs = (await differing(witness, samples, firstSeq, lastSeq)).at(-1);
    if (differs === undefined && lastSeq >= last.seq) return { agrees: true };
    if (differs === undefined && !(await isLate(lastSeq))) continue;
    const unlike = differs?.seq ?? lastSeq + 1;
    const alike = Math.max(0, ...samples.map(({ seq }) => seq).filter((seq) => seq < unlike));
    const commonSeq = await lastCommon(database, known, witness, alike, unlike, firstSeq);
    return {
      agrees: false,
      commonSeq,
      knownSeq: last.seq,
      firstSeq,
      lastSeq,
      ...(differs && { differsAt: differs.seq }),
    };
  }
}

/**
 * Whether the ledger has rows of an incarnation that can be compared, and the stream has the same messages.
 */
export async function isSameHistory(
  database: Queryable,
  known: KnownHistory,
  witness: StreamWitness,
): Promise<boolean> {
  const { firstSeq, lastSeq } = await witness.bounds();
  const rows = await evidenceBelow(database, known, lastSeq, NEWEST_ROWS);
  const published = await witness.publishedAt(rows.map(({ seq }) => seq).filter((seq) => seq >= firstSeq));
  const alike = rows.filter(({ seq, publishedMs }) => published.get(seq) === publishedMs);
  return alike.length > 0 && alike.length === published.size;
}

/**
 * Compares rows of the ledger with the stream: the newest ones, and others spread evenly over the stream.
 *
 * @param newest how many of the newest rows are compared
 * @param spread how many other rows are compared
 * @returns how many rows were compared, and the sequences that differ, ascending
 */
export async function differingRows(
  database: Queryable,
  known: KnownHistory,
  witness: StreamWitness,
  newest: number,
  spread: number,
): Promise<{ readonly compared: number; readonly seqs: readonly number[] }> {
  const last = await evidenceBelow(database, known, Number.MAX_SAFE_INTEGER, newest);
  const top = last[0]?.seq ?? 0;
  const { firstSeq, lastSeq } = await witness.bounds();
  const step = (top - firstSeq) / spread;
  const places = Array.from({ length: spread }, (_, n) => Math.floor(firstSeq + n * step));
  const even = step >= 1 ? await evidenceAt(database, known, places) : [];
  const rows = [...new Map([...last, ...even].map((row) => [row.seq, row])).values()];
  const inside = rows.filter(({ seq }) => seq >= firstSeq && seq <= lastSeq);
  const wrong = await differing(witness, inside, firstSeq, lastSeq);
  return { compared: inside.length, seqs: wrong.map(({ seq }) => seq).sort((a, b) => a - b) };
}

/** Returns the rows that differ from the stream, in the order of `rows`. */
async function differing(
  witness: StreamWitness,
  rows: readonly Evidence[],
  firstSeq: number,
  lastSeq: number,
): Promise<Evidence[]> {
  const inside = rows.filter(({ seq }) => seq >= firstSeq && seq <= lastSeq);
  const published = await witness.publishedAt(inside.map(({ seq }) => seq));
  return inside.filter(({ seq, publishedMs }) => (published.get(seq) ?? publishedMs) !== publishedMs);
}

/** Finds the last common row by halving between a sequence that agrees and one that differs. */
async function lastCommon(
  database: Queryable,
  known: KnownHistory,
  witness: StreamWitness,
  alike: number,
  unlike: number,
  firstSeq: number,
): Promise<number> {
  // Messages that have left the stream can neither be compared nor read again.
  let low = Math.max(alike, firstSeq - 1);
  let high = unlike;
  while (high - low > 1) {
    const middle = Math.floor((low + high) / 2);
    const row =
      (await evidenceBelow(database, known, middle, 1)).find(({ seq }) => seq > low) ??
      (await evidenceBelow(database, known, high - 1, 1)).find(({ seq }) => seq > middle);
    if (row === undefined) break;
    const published = (await witness.publishedAt([row.seq])).get(row.seq);
    if (published === row.publishedMs) low = row.seq;
    else high = row.seq;
  }
  return low;
}

function doublingBelow(seq: number): number[] {
  const places: number[] = [];
  for (let distance = NEWEST_ROWS; distance < seq; distance *= 2) places.push(seq - distance);
  return places;
}

/** Reads the newest rows at or below a sequence, newest first. */
async function evidenceBelow(
  database: Queryable,
  { tables, incarnation }: KnownHistory,
  seq: number,
  count: number,
): Promise<Evidence[]> {
  const found: Evidence[] = [];
  for (const { streamId, after, upTo } of [...incarnation.segments].reverse()) {
    if (after >= seq || found.length >= count) continue;
    found.push(...(await readEvidence(database, tables, [streamId], [after], [Math.min(upTo, seq)], count)));
  }
  return found.slice(0, count);
}

/** Reads the newest row at or below each of some sequences, within its segment, newest first. */
async function evidenceAt(
  database: Queryable,
  { tables, incarnation }: KnownHistory,
  seqs: readonly number[],
): Promise<Evidence[]> {
  const places = seqs.flatMap((seq) => {
    const segment = incarnation.segments.find(({ after, upTo }) => seq > after && seq <= upTo);
    return segment ? [{ ...segment, upTo: seq }] : [];
  });
  if (places.length === 0) return [];
  return readEvidence(
    database,
    tables,
    places.map(({ streamId }) => streamId),
    places.map(({ after }) => after),
    places.map(({ upTo }) => upTo),
    1,
  );
}

async function readEvidence(
  database: Queryable,
  tables: readonly string[],
  streamIds: readonly number[],
  after: readonly number[],
  upTo: readonly number[],
  count: number,
): Promise<Evidence[]> {
  const { rows } = await database.query<{ seq: number; published_ms: number }>(evidenceStatement(tables), [
    streamIds,
    after,
    upTo,
    count,
  ]);
  return rows.map((row) => ({ seq: row.seq, publishedMs: Math.round(row.published_ms) }));
}
