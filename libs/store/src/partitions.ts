/**
 * The partitions of the event table, one for each day in UTC.
 *
 * Setup creates them a week ahead, and then the workers do. A default partition takes events that have no other, so a
 * missing partition never makes an event fail. Its events are moved when the partition of their day is created. A
 * function in the database creates the partitions, because a worker does not own the table.
 *
 * Partitions that were created in a session with another time zone begin at another hour. They stay as they are. The
 * next days get the rest, and a part of a day is a partition of its own.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';

const DAYS_AHEAD = 7;
const DAY_MS = 86_400_000;

// Postgres prints bounds in the time zone of the session, with its offset.
const EXISTING = `
WITH bound AS (
  SELECT part.relname AS name, pg_get_expr(part.relpartbound, part.oid) AS text
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'sekali.event'::regclass
)
SELECT name, 1000 * extract(epoch FROM substring(text from 'FROM \\(''(.*)''\\) TO')::timestamptz)::float8 AS since_ms,
  1000 * extract(epoch FROM substring(text from 'TO \\(''(.*)''\\)$')::timestamptz)::float8 AS until_ms
FROM bound`;

/** A span of time in milliseconds since 1970; the end is excluded. */
export interface Span {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** The existing partitions by name, without the schema. The default partition has no span. */
export type Partitions = ReadonlyMap<string, Span | undefined>;

const CREATE_PARTITION = `SELECT sekali.make_partition($1, $2) AS name`;

/**
 * Creates the missing partitions from today to a week ahead.
 *
 * @param now decides which partitions are created; the partition of a row follows from the database's clock
 * @returns the names of the created partitions, with the schema
 * @throws an error that `isLockTimeout` recognizes, when another session reads the table for long; try again later
 */
export async function ensurePartitions(pool: Pool, now = new Date()): Promise<string[]> {
  const existing = await readPartitions(pool);
  const created: string[] = [];
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const sinceMs = Math.floor(now.getTime() / DAY_MS + ahead) * DAY_MS;
    const day = { sinceMs, untilMs: sinceMs + DAY_MS };
    for (const piece of piecesWithout(day, existing.values())) {
      // Each partition has its own transaction, so that the table is locked only briefly.
      const { rows } = await pool.query<{ name: string | null }>(CREATE_PARTITION, [
        new Date(piece.sinceMs).toISOString(),
        new Date(piece.untilMs).toISOString(),
      ]);
      // Another process may have created it meanwhile.
      const name = rows[0]?.name;
      if (typeof name === 'string') created.push(name);
    }
  }
  return created;
}

/** Returns where the newest partition ends, in milliseconds since 1970; `undefined` when there is none but the default. */
export async function partitionsEndMs(database: Queryable): Promise<number | undefined> {
  return (await partitionSpan(database)).untilMs;
}

/** The days that have partitions. */
export interface PartitionSpan {
  readonly count: number;
  /** Where the oldest begins, in milliseconds since 1970; `undefined` when there is none but the default. */
  readonly sinceMs: number | undefined;
  /** Where the newest ends. */
  readonly untilMs: number | undefined;
}

/** Returns which days have partitions. Those of the days to come are among them. */
export async function partitionSpan(database: Queryable): Promise<PartitionSpan> {
  const spans = [...(await readPartitions(database)).values()].filter((span) => span !== undefined);
  if (spans.length === 0) return { count: 0, sinceMs: undefined, untilMs: undefined };
  return {
    count: spans.length,
    sinceMs: Math.min(...spans.map(({ sinceMs }) => sinceMs)),
    untilMs: Math.max(...spans.map(({ untilMs }) => untilMs)),
  };
}

/** Reads the partitions of the event table. */
export async function readPartitions(database: Queryable): Promise<Partitions> {
  const { rows } = await database.query<{ name: string; since_ms: number | null; until_ms: number | null }>(
    EXISTING,
  );
  return new Map(
    rows.map(({ name, since_ms: sinceMs, until_ms: untilMs }) => [
      name,
      sinceMs === null && untilMs === null
        ? undefined
        : { sinceMs: sinceMs ?? -Infinity, untilMs: untilMs ?? Infinity },
    ]),
  );
}

/** Returns the parts of a span that no other span has, in order. */
export function piecesWithout(whole: Span, others: Iterable<Span | undefined>): Span[] {
  let pieces: Span[] = [whole];
  for (const taken of others) {
    if (taken === undefined) continue;
    pieces = pieces
      .flatMap(({ sinceMs, untilMs }) => [
        { sinceMs, untilMs: Math.min(untilMs, taken.sinceMs) },
        { sinceMs: Math.max(sinceMs, taken.untilMs), untilMs },
      ])
      .filter(({ sinceMs, untilMs }) => sinceMs < untilMs);
  }
  return pieces.sort((a, b) => a.sinceMs - b.sinceMs);
}
