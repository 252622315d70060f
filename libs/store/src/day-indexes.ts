/**
 * The index by source, which a day of events gets when it is closed.
 *
 *   default   closed days            │ since yesterday, up to a week ahead
 *   index     index   index   index  │ none: walked in bounded steps
 *
 * Three designs were considered:
 *
 * - An index on every day. Each event enters it when it is stored, which was a tenth of what its insert cost Postgres.
 * - No index. A page of a rare source would walk over every event that was ever stored.
 * - An index for closed days, built at rest by one process at a time. This is the design in use.
 *
 * A day is closed one hour after its end, since a transaction stores its events under the time at which it began. Late
 * events enter the index as usual. While it is built, an insert into that day waits.
 */
import type { Queryable } from '#postgres';

const INDEX_CLOSED_DAY = `SELECT sekali.index_closed_day() AS name`;

/** A day without a readable beginning, and a default partition without the index, come before all others. */
const INDEXED_BEFORE = `
SELECT coalesce(min(coalesce(since, '-infinity')), 'infinity')::text AS instant
FROM (
  SELECT part.oid, substring(pg_get_expr(relpartbound, part.oid) from 'FROM \\(''(.*)''\\) TO')::timestamptz AS since
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'sekali.event'::regclass
) day
WHERE NOT EXISTS (
  SELECT FROM pg_index JOIN pg_class built ON built.oid = indexrelid
  WHERE indrelid = day.oid AND indisvalid AND built.relname LIKE '%\\_by\\_source'
)`;

/**
 * Builds the index of each closed day that lacks it, oldest day first. Any number of processes may do so at once: one
 * builds, and the others find nothing to do.
 *
 * @param database its bound on a statement must allow for a day's index: about a second for a million events
 * @param onBuilt called with the name of each index, with the schema
 * @throws an error that `isLockTimeout` recognizes, when another session changes the day; try again later
 */
export async function indexClosedDays(database: Queryable, onBuilt: (name: string) => void): Promise<void> {
  for (;;) {
    const { rows } = await database.query<{ name: string | null }>(INDEX_CLOSED_DAY);
    const name = rows[0]?.name ?? undefined;
    if (name === undefined) return;
    onBuilt(name);
  }
}

/** Returns the instant, as Postgres prints it, before which every partition has the index by source. */
export async function indexedBefore(database: Queryable): Promise<string> {
  const { rows } = await database.query<{ instant: string }>(INDEXED_BEFORE);
  return rows[0]?.instant ?? '-infinity';
}
