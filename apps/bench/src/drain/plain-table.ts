/**
 * The one table of the subjects that are not ours: one row per event, unique by topic and id.
 *
 * It has no ledger, no counters and no index for queries. No drain that drops repeats can cost less than one into this
 * table.
 */
import type { Queryable } from '#store';
import { WrongSubjectError } from '../wrong-subject.js';

const MAKE = `
CREATE TABLE IF NOT EXISTS public.plain_event (
  topic text COLLATE "C" NOT NULL,
  event_id text COLLATE "C" NOT NULL,
  source text NOT NULL,
  "timestamp" timestamptz NOT NULL,
  payload jsonb NOT NULL,
  UNIQUE (topic, event_id)
)`;

const EMPTY = `TRUNCATE public.plain_event`;
const COUNT = `SELECT count(*)::float8 AS rows FROM public.plain_event`;

/**
 * One statement per batch. Its rows are sorted, because two simultaneous batches with the same ids would otherwise
 * deadlock.
 */
export const INSERT_BATCH = `
INSERT INTO public.plain_event (topic, event_id, source, "timestamp", payload)
SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::timestamptz[], $5::jsonb[])
  AS input (topic, event_id, source, "timestamp", payload)
ORDER BY input.topic COLLATE "C", input.event_id COLLATE "C"
ON CONFLICT DO NOTHING`;

/** One statement per event. */
export const INSERT_ONE = `
INSERT INTO public.plain_event (topic, event_id, source, "timestamp", payload)
VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING`;

/** An event as it is in a message. */
export interface PlainEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly timestamp: string;
  readonly payload: unknown;
}

/** Creates the table, or empties it. */
export async function emptyPlainTable(database: Queryable): Promise<void> {
  await database.query(MAKE);
  await database.query(EMPTY);
}

/** Throws unless the number of rows is within the bounds. */
export async function checkPlainTable(
  database: Queryable,
  expected: { readonly rowsMin: number; readonly rowsMax: number },
): Promise<void> {
  const { rows } = await database.query<{ rows: number }>(COUNT);
  const found = rows[0]?.rows ?? 0;
  if (found >= expected.rowsMin && found <= expected.rowsMax) return;
  throw new WrongSubjectError(
    `plain_event holds ${found} rows instead of ${expected.rowsMin} to ${expected.rowsMax}: the subject did not do its work`,
  );
}
