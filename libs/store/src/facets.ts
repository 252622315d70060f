/**
 * The most frequent values of a member of payloads, on a sample whose rate is known.
 *
 * Postgres takes whole pages of the table at random (TABLESAMPLE SYSTEM). So the price follows from the size of the
 * sample, however large the table is. Where the table is small, the sample is all of it. The same question gets the same
 * sample while the table stays the same.
 *
 * The rate of such a sample says how many events there are of all topics. So who may read only some topics gets another
 * one: the newest events of these, along the index of topics.
 */
import type { Queryable } from '#postgres';
import { payloadCondition, type EventFilter } from './event-filter.js';
import { STREAMS, type StreamRow } from './event-page.js';
import { topicsAsked } from './topic-walk.js';
import { walkPiece, type WalkPlace } from './walk-piece.js';

/** A value, and how often the sample has it. */
export interface FacetValue {
  /** JSON text. */
  readonly value: string;
  readonly count: number;
}

/** The values of one member. */
export interface Facets {
  /**
   * The part of the stored events that was inspected: 1 is all that are kept. With topics, it is otherwise the part of
   * those that were ever stored of them.
   */
  readonly rate: number;
  /** Events of the sample that match the filter. */
  readonly matched: number;
  /** Those of them that have the member. */
  readonly present: number;
  /** The most frequent values, the most frequent first. */
  readonly values: readonly FacetValue[];
}

/** What to count. */
export interface FacetQuestion {
  readonly filter: EventFilter;
  /** The names of the members on the way from the payload. */
  readonly path: readonly string[];
  readonly valuesMax: number;
  /** What Postgres may keep for the events that are inspected, on average, in bytes. The default is 64 MiB. */
  readonly bytesMax?: number | undefined;
}

const ROWS_MAX = 20_000;
const BYTES_MAX = 67_108_864;
/** The newest events, which say how large the others are. */
const WEIGHED = 100;
/** Rates are multiples of this, so that an answer can show them. */
const RATE_STEP = 1 / 1_048_576;
/** A longer value is not a facet. */
const VALUE_LENGTH_MAX = 256;

const SIZE = `
SELECT coalesce(sum(greatest(reltuples, 0)), 0)::float8 AS rows,
  coalesce(sum(pg_total_relation_size(part.oid)), 0)::float8 AS bytes
FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'sekali.event'::regclass`;

const BYTES = `
SELECT coalesce(avg(pg_column_size(payload)), 0)::float8 AS bytes FROM sekali.event
WHERE stream_id = $1 AND seq >= $2 AND topic = ANY ($3)`;

const STORED = `SELECT coalesce(sum(stored), 0)::float8 AS stored FROM sekali.counter WHERE topic = ANY ($1)`;

/** Which events are inspected: pages of the table, or those of one stream incarnation from a sequence on. */
const SAMPLE = {
  all: `sekali.event TABLESAMPLE SYSTEM ($6) REPEATABLE (1) WHERE true`,
  topics: `sekali.event WHERE stream_id = $6 AND seq >= $8`,
} as const;

const facetStatement = (sample: string, conditions: string): string => `
WITH sample AS MATERIALIZED (
  SELECT payload #> $5::text[] AS value
  FROM ${sample}
    AND ($1::text[] IS NULL OR topic = ANY ($1)) AND ($2::text IS NULL OR source = $2)
    AND ($3::timestamptz IS NULL OR "timestamp" >= $3) AND ($4::timestamptz IS NULL OR "timestamp" < $4)${conditions}
), valued AS (
  SELECT value::text AS value, count(*)::float8 AS count FROM sample
  WHERE value IS NOT NULL AND length(value::text) <= ${VALUE_LENGTH_MAX}
  GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT $7
)
SELECT (SELECT count(*)::float8 FROM sample) AS matched, (SELECT count(value)::float8 FROM sample) AS present,
  (SELECT json_agg(json_build_array(value, count)) FROM valued) AS values`;

interface FacetRow {
  readonly matched: number;
  readonly present: number;
  readonly values: readonly (readonly [value: string, count: number])[] | null;
}

/**
 * Counts the values of a member.
 *
 * @throws TooManyTopicsError when patterns of the filter name too many topics
 */
export async function readFacets(database: Queryable, question: FacetQuestion): Promise<Facets> {
  const topics = await topicsAsked(database, question.filter);
  if (topics?.length === 0) return { rate: 1, matched: 0, present: 0, values: [] };
  if (question.filter.topics !== undefined && topics !== undefined)
    return facetsOfTopics(database, question, topics);
  const rate = await sampleRate(database, question.bytesMax ?? BYTES_MAX);
  return {
    rate,
    ...(await countValues(database, question, topics, { statement: SAMPLE.all, values: [rate * 100] })),
  };
}

/** Counts values in the newest events of topics. They are of the newest stream incarnation that has some. */
async function facetsOfTopics(
  database: Queryable,
  question: FacetQuestion,
  topics: readonly string[],
): Promise<Facets> {
  const { rows: streams } = await database.query<StreamRow>(STREAMS, [0]);
  const newestFirst = streams.map(({ stream_id: id }) => newestOf(id, topics)).reverse();
  for (const [index, place] of newestFirst.entries()) {
    const newest = await walkPiece(database, place, WEIGHED);
    if (newest.last === undefined) continue;
    const rowsMax = await rowsAllowed(database, place, newest.last, question.bytesMax ?? BYTES_MAX);
    const { inspected, last = newest.last, isEnd } = await walkPiece(database, place, rowsMax);
    const sample = { statement: SAMPLE.topics, values: [place.streamId, last] };
    const isAll = isEnd && !(await hasEvents(database, newestFirst.slice(index + 1)));
    const rate = isAll ? 1 : await rateOf(database, topics, inspected);
    return { rate, ...(await countValues(database, question, topics, sample)) };
  }
  return { rate: 1, matched: 0, present: 0, values: [] };
}

function newestOf(streamId: number, topics: readonly string[]): WalkPlace {
  return { streamId, topics, order: 'newest', from: Number.MAX_SAFE_INTEGER };
}

/** How many events as large as the newest ones, down to a sequence, may be inspected. */
async function rowsAllowed(
  database: Queryable,
  { streamId, topics }: WalkPlace,
  since: number,
  bytesMax: number,
): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(BYTES, [streamId, since, topics]);
  return Math.max(1, Math.min(ROWS_MAX, Math.floor(bytesMax / Math.max(rows[0]?.bytes ?? 0, 1))));
}

/** The part of all events that were ever stored of topics. */
async function rateOf(database: Queryable, topics: readonly string[], inspected: number): Promise<number> {
  const { rows } = await database.query<{ stored: number }>(STORED, [topics]);
  return roundedRate(inspected / Math.max(rows[0]?.stored ?? 0, inspected));
}

async function hasEvents(database: Queryable, places: readonly WalkPlace[]): Promise<boolean> {
  for (const place of places) if ((await walkPiece(database, place, 1)).last !== undefined) return true;
  return false;
}

/** @param sample the first of its values is $6, the second one $8 */
async function countValues(
  database: Queryable,
  { filter, path, valuesMax }: FacetQuestion,
  topics: readonly string[] | undefined,
  { statement, values: [first, ...second] }: { statement: string; values: readonly number[] },
): Promise<Omit<Facets, 'rate'>> {
  const payloads = payloadCondition(filter, 8 + second.length);
  const { rows } = await database.query<FacetRow>(facetStatement(statement, payloads.sql), [
    ...[topics ?? null, filter.source ?? null, filter.since ?? null, filter.until ?? null],
    ...[path, first, valuesMax, ...second],
    ...payloads.values,
  ]);
  const { matched = 0, present = 0, values = null } = rows[0] ?? {};
  return { matched, present, values: (values ?? []).map(([value, count]) => ({ value, count })) };
}

/** A table that was never analysed has an unknown number of rows: then its bytes decide alone. */
async function sampleRate(database: Queryable, bytesMax: number): Promise<number> {
  const { rows } = await database.query<{ rows: number; bytes: number }>(SIZE);
  const { rows: events = 0, bytes = 0 } = rows[0] ?? {};
  const rate = Math.min(1, ROWS_MAX / Math.max(events, 1), bytesMax / Math.max(bytes, 1));
  return roundedRate(rate);
}

function roundedRate(rate: number): number {
  return Math.max(RATE_STEP, Math.floor(rate / RATE_STEP) * RATE_STEP);
}
