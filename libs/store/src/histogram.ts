/**
 * How many messages were settled when, by topic and outcome: exact, and independent of the rows.
 *
 *   batch ──▶ counter ──trigger──▶ open minute ─10 min─▶ minute ─3 d─▶ hour ─90 d─▶ day
 *
 * The time is that at which a message was settled: `stored_at` of an event, `recorded_at` of a duplicate or a dead
 * letter. All outcomes have it, one transaction lies in one minute, and no clock of a producer is involved. A dead
 * letter may have no timestamp. The time of publication would put what is settled after an outage into minutes of which
 * one had read the counts already.
 *
 * Three designs were considered:
 *
 * - The inbox counts by minute itself. Workers of the version before would not, so an upgrade would leave a hole.
 * - A trigger on the tables of rows. It has to copy every row of a batch, which costs 1 µs an event.
 * - A trigger on the counters, which a batch changes in one row a topic. This is the design in use: it costs as much as
 *   the counters themselves. Each row of an open minute belongs to one counter, so batches wait for each other no more
 *   than before.
 *
 * A topic that is always busy has about 6,700 rows: up to 16 in each of 11 open minutes, 4,380 minutes and 2,184 hours.
 * Each year adds 365 days. A topic has no rows of the time in which it was idle.
 */
import type { Queryable } from '#postgres';
import { topicsOf } from './topic-walk.js';

/** What became of the messages of a span of time. `duplicates` includes `conflicts`. */
export interface SettledCounts {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** A span of time in which messages were settled. */
export interface HistogramBucket extends SettledCounts {
  /** Its beginning, in seconds since 1970. */
  readonly start: number;
}

/** Counts by time. Spans in which no message was settled are left out. */
export interface Histogram {
  /** Where the first bucket may begin, in seconds since 1970. */
  readonly since: number;
  /** Where the last one ends. */
  readonly until: number;
  readonly stepSeconds: number;
  readonly buckets: readonly HistogramBucket[];
  readonly totals: SettledCounts;
  /** Messages that were settled before this instant, in seconds since 1970, may be in no bucket. */
  readonly countedSince: number | undefined;
}

/** What to count. Instants are in seconds since 1970. */
export interface HistogramQuestion {
  /** Topics, and patterns as `topicsOf` takes them; all topics when left out. */
  readonly topics?: readonly string[] | undefined;
  /** Whether a topic that a pattern names is counted; the default is that all are. */
  readonly isCovered?: (topic: string) => boolean;
  readonly since: number;
  /** Excluded. */
  readonly until: number;
  /** A step that `isHistogramStep` accepts. */
  readonly stepSeconds: number;
}

const MINUTE = 60;
const HOUR = 3_600;
const DAY = 86_400;
/** How long the rows of a kind are. */
export const SECONDS_OF: Readonly<Record<string, number>> = {
  open: MINUTE,
  minute: MINUTE,
  hour: HOUR,
  day: DAY,
};
const TABLE = 'sekali.histogram';

/** Rows of some kinds that lie in the window, or reach into it: then the step is too short for them. */
const rowsOf = (kinds: string, seconds: number): string =>
  `kind IN (${kinds}) AND beginning > to_timestamp($1) - interval '${seconds} seconds' AND beginning < to_timestamp($2)`;

/**
 * Rows are first added up where they are, by minute or longer, since a day of ten topics has 16,000. With the kinds in a
 * list to join, Postgres reads the whole table.
 */
const COUNTS = `
WITH counted AS MATERIALIZED (
  SELECT kind, beginning, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,
    sum(dead_letters) AS dead_letters
  FROM ${TABLE}
  WHERE (${rowsOf(`'open', 'minute'`, MINUTE)} OR ${rowsOf(`'hour'`, HOUR)} OR ${rowsOf(`'day'`, DAY)})
    AND ($4::text[] IS NULL OR topic = ANY ($4))
  GROUP BY kind, beginning
)
SELECT kind, extract(epoch FROM date_bin(make_interval(secs => $3), beginning, '1970-01-01T00:00:00Z'))::float8 AS start,
  sum(stored)::float8 AS stored, sum(duplicates)::float8 AS duplicates, sum(conflicts)::float8 AS conflicts,
  sum(dead_letters)::float8 AS dead_letters
FROM counted
GROUP BY 1, 2
HAVING sum(stored) <> 0 OR sum(duplicates) <> 0 OR sum(conflicts) <> 0 OR sum(dead_letters) <> 0`;

const COUNTED_SINCE = `
SELECT extract(epoch FROM max(beginning))::float8 AS instant FROM ${TABLE} WHERE kind = 'before'`;

interface CountRow {
  readonly kind: string;
  readonly start: number;
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly dead_letters: number;
}

/** Whether buckets may have this length: whole minutes that divide a day, or whole days. */
export function isHistogramStep(seconds: number): boolean {
  return (
    Number.isInteger(seconds) &&
    seconds >= MINUTE &&
    seconds % MINUTE === 0 &&
    (DAY % seconds === 0 || seconds % DAY === 0)
  );
}

/**
 * Returns the shortest step that has at least the length of another one.
 *
 * @param least the step has at least this many seconds
 * @param unit the step is a multiple of this many seconds: 60, 3,600 or 86,400
 */
export function longerStep(stepSeconds: number, least: number, unit = MINUTE): number {
  let step = Math.ceil(Math.max(stepSeconds, Math.min(least, DAY)) / unit) * unit;
  while (!isHistogramStep(step)) step += unit;
  return step >= least ? step : Math.ceil(least / DAY) * DAY;
}

/**
 * Counts what was settled. The ends are moved outwards to whole steps. Where the counts are only kept in longer spans,
 * the step becomes longer, so that each bucket is exact.
 *
 * @throws TooManyTopicsError when the patterns name too many topics
 */
export async function readHistogram(database: Queryable, question: HistogramQuestion): Promise<Histogram> {
  const { isCovered = () => true } = question;
  const topics = question.topics && (await topicsOf(database, question.topics, TABLE)).filter(isCovered);
  const { rows: before } = await database.query<{ instant: number | null }>(COUNTED_SINCE);
  const countedSince = before[0]?.instant ?? undefined;
  let { stepSeconds } = question;
  for (;;) {
    const since = Math.floor(question.since / stepSeconds) * stepSeconds;
    const until = Math.ceil(question.until / stepSeconds) * stepSeconds;
    const values = [since, until, stepSeconds, topics ?? null];
    const { rows } = await database.query<CountRow>(COUNTS, values);
    const longest = rows.reduce((most, { kind }) => Math.max(most, SECONDS_OF[kind] ?? DAY), MINUTE);
    if (stepSeconds % longest === 0) return { since, until, stepSeconds, countedSince, ...summed(rows) };
    stepSeconds = longerStep(stepSeconds, 0, longest);
  }
}

/** Rows of several kinds may lie in one bucket. */
function summed(rows: readonly CountRow[]): Pick<Histogram, 'buckets' | 'totals'> {
  const buckets = new Map<number, HistogramBucket>();
  let totals: SettledCounts = { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 };
  for (const row of rows) {
    const counts = {
      stored: row.stored,
      duplicates: row.duplicates,
      conflicts: row.conflicts,
      deadLetters: row.dead_letters,
    };
    totals = sumOf(totals, counts);
    const known = buckets.get(row.start);
    buckets.set(row.start, { start: row.start, ...(known === undefined ? counts : sumOf(known, counts)) });
  }
  return { buckets: [...buckets.values()].sort((a, b) => a.start - b.start), totals };
}

function sumOf(a: SettledCounts, b: SettledCounts): SettledCounts {
  return {
    stored: a.stored + b.stored,
    duplicates: a.duplicates + b.duplicates,
    conflicts: a.conflicts + b.conflicts,
    deadLetters: a.deadLetters + b.deadLetters,
  };
}
