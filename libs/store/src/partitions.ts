/**
 * The days of the event table, in UTC.
 *
 * Partitions are made a week ahead, by `setup` and then by the workers, and a default partition takes what
 * would still find none, so that no event ever fails for want of one. A day that was caught by the default
 * partition is moved when its own is made. The database's own function makes each: a worker does not own the table.
 *
 * Partitions that were made while a session had another zone begin at another hour. They stay as they are, and
 * the next days get what is left: a piece of a day is a partition of its own.
 */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';

const DAYS_AHEAD = 7;
const DAY_MS = 86_400_000;

// Bounds are printed in the zone of the session, with its offset.
const EXISTING = `
WITH bound AS (
  SELECT part.relname AS name, pg_get_expr(part.relpartbound, part.oid) AS text
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'sekali.event'::regclass
)
SELECT name, 1000 * extract(epoch FROM substring(text from 'FROM \\(''(.*)''\\) TO')::timestamptz)::float8 AS since_ms,
  1000 * extract(epoch FROM substring(text from 'TO \\(''(.*)''\\)$')::timestamptz)::float8 AS until_ms
FROM bound`;

/** Milliseconds since 1970, the end excluded. */
interface Span {
  readonly sinceMs: number;
  readonly untilMs: number;
}

/** The partitions there are, by name without the schema. The default one has no span. */
type Partitions = ReadonlyMap<string, Span | undefined>;

const MAKE_PARTITION = `SELECT sekali.make_partition($1, $2) AS name`;

/**
 * Makes the partitions from today to a week ahead, those that are missing.
 *
 * @param now the database's clock decides which partition a row goes to; ours only decides which are made ahead
 * @returns the names of those that were made
 * @throws an error that `isLockTimeout` knows, when somebody reads the table for long; another time will do
 */
export async function ensurePartitions(pool: Pool, now = new Date()): Promise<string[]> {
  const existing = await readPartitions(pool);
  const made: string[] = [];
  for (let ahead = 0; ahead <= DAYS_AHEAD; ahead++) {
    const sinceMs = Math.floor(now.getTime() / DAY_MS + ahead) * DAY_MS;
    const day = { sinceMs, untilMs: sinceMs + DAY_MS };
    for (const piece of piecesWithout(day, existing)) {
      // A transaction each: it locks the table for no longer than one partition takes.
      const { rows } = await pool.query<{ name: string | null }>(MAKE_PARTITION, [
        new Date(piece.sinceMs).toISOString(),
        new Date(piece.untilMs).toISOString(),
      ]);
      // Another process may have made it meanwhile.
      const name = rows[0]?.name;
      if (typeof name === 'string') made.push(name);
    }
  }
  return made;
}

async function readPartitions(database: Queryable): Promise<Partitions> {
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

/** What no partition has of a day, in order. */
function piecesWithout(day: Span, existing: Partitions): Span[] {
  let pieces: Span[] = [day];
  for (const taken of existing.values()) {
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
