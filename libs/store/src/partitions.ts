/**
 * The days of the event table, in UTC.
 *
 * Partitions are made a week ahead, by `setup` and then by the workers, and a default partition takes what
 * would still find none, so that no event ever fails for want of one. A day that was caught by the default
 * partition is moved when its own is made.
 *
 * Partitions that were made while a session had another zone begin at another hour. They stay as they are, and
 * the next days get what is left: a piece of a day is a partition of its own.
 */
import type { Pool } from 'pg';
import { LOCK_MS_MAX } from './lock-bound.js';
import type { Queryable } from './queryable.js';

const DAYS_AHEAD = 7;
const DAY_MS = 86_400_000;
const PARTITION_LOCK = 7_365_001;

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
    if (piecesWithout(day, existing).length > 0) made.push(...(await makePartitions(pool, day)));
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

/** `event_20261122`; `event_20261122_1700` where another partition has the name of the day. */
function nameOf({ sinceMs }: Span, existing: Partitions): string {
  const [day = '', time = ''] = new Date(sinceMs).toISOString().split('T');
  const name = `event_${day.replaceAll('-', '')}`;
  return existing.has(name) ? `${name}_${time.slice(0, 5).replace(':', '')}` : name;
}

async function makePartitions(pool: Pool, day: Span): Promise<string[]> {
  const client = await pool.connect();
  try {
    await client.query('BEGIN');
    await client.query(`SET LOCAL lock_timeout = ${LOCK_MS_MAX}`);
    await client.query('SELECT pg_advisory_xact_lock($1)', [PARTITION_LOCK]);
    // Another process may have made them while we waited.
    const existing = await readPartitions(client);
    const made: string[] = [];
    for (const piece of piecesWithout(day, existing)) {
      const name = `sekali.${nameOf(piece, existing)}`;
      await makePartition(client, name, piece);
      made.push(name);
    }
    await client.query('COMMIT');
    return made;
  } catch (error) {
    await client.query('ROLLBACK').catch(() => undefined);
    throw error;
  } finally {
    client.release();
  }
}

async function makePartition(client: Queryable, name: string, { sinceMs, untilMs }: Span): Promise<void> {
  const [since, until] = [new Date(sinceMs).toISOString(), new Date(untilMs).toISOString()];
  const range = `stored_at >= '${since}' AND stored_at < '${until}'`;
  await client.query(`CREATE TABLE ${name} (LIKE sekali.event INCLUDING ALL)`);
  await client.query(`LOCK TABLE sekali.event IN SHARE ROW EXCLUSIVE MODE`);
  await client.query(
    `WITH moved AS (DELETE FROM sekali.event_default WHERE ${range} RETURNING *) INSERT INTO ${name} SELECT * FROM moved`,
  );
  await client.query(
    `ALTER TABLE sekali.event ATTACH PARTITION ${name} FOR VALUES FROM ('${since}') TO ('${until}')`,
  );
}
