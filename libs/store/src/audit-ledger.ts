/**
 * Reads the ledger for the audit: which sequences are settled, how often, and whether their rows agree.
 *
 * It reads ranges of sequences, so one range bounds the memory, however long the stream is. Within a range, Postgres
 * joins and counts. It returns runs of equal sequences, and rows that are wrong.
 */
import type { SequenceSegment } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { isForgotten } from './audit-forgotten-ids.js';

/** Consecutive sequences that the same tables of the ledger hold. */
export interface LedgerRun {
  readonly first: number;
  readonly last: number;
  /** The tables that hold each of them, where more than one does. It is empty when they are settled once. */
  readonly doubledIn: readonly string[];
}

/** The faults of a row of `event` or `event_key`. */
export type EventFault = 'event_without_key' | 'key_without_event' | 'event_differs_from_key';
/** The faults of a row of `duplicate`. */
export type DuplicateFault = 'duplicate_without_key' | 'duplicate_of_another';
/** A row that contradicts another. */
export interface RowFault {
  readonly seq: number;
  readonly fault: EventFault | DuplicateFault;
}

/** Numbers of rows in the ledger. */
export interface LedgerTotals {
  readonly stored: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
}

/** The findings between two sequences. */
export interface LedgerChunk {
  readonly from: number;
  /** The last sequence that was read. */
  readonly to: number;
  /** In ascending order. */
  readonly runs: readonly LedgerRun[];
  readonly totals: LedgerTotals;
  readonly faults: readonly RowFault[];
}

/** The number of sequences in one chunk. */
export const AUDIT_CHUNK_SEQUENCES = 50_000;

const NEXT_SEQUENCE = `
SELECT least(
  (SELECT min(seq) FROM sekali.event_key WHERE stream_id = $1 AND seq >= $2),
  (SELECT min(seq) FROM sekali.duplicate WHERE stream_id = $1 AND seq >= $2),
  (SELECT min(seq) FROM sekali.dead_letter WHERE stream_id = $1 AND seq >= $2),
  (SELECT min(seq) FROM sekali.event WHERE stream_id = $1 AND seq >= $2),
  (SELECT greatest(1024 * block, $2) FROM sekali.dropped_sequence
   WHERE stream_id = $1 AND block >= $2::bigint / 1024 ORDER BY block LIMIT 1),
  (SELECT greatest(1024 * block, $2) FROM sekali.forgotten_sequence note
   WHERE stream_id = $1 AND block >= $2::bigint / 1024 AND ${isForgotten('note')} ORDER BY block LIMIT 1)
)::float8 AS seq`;

const LAST_SEQUENCE = `
SELECT coalesce(greatest(
  (SELECT max(seq) FROM sekali.event_key WHERE stream_id = $1),
  (SELECT max(seq) FROM sekali.duplicate WHERE stream_id = $1),
  (SELECT max(seq) FROM sekali.dead_letter WHERE stream_id = $1)
), 0)::float8 AS seq`;

const RUNS = `
WITH settled AS (
  SELECT seq, 'event_key' AS place FROM sekali.event_key WHERE stream_id = $1 AND seq BETWEEN $2 AND $3
  UNION ALL
  SELECT seq, 'duplicate' FROM sekali.duplicate WHERE stream_id = $1 AND seq BETWEEN $2 AND $3
  UNION ALL
  SELECT seq, 'dead_letter' FROM sekali.dead_letter WHERE stream_id = $1 AND seq BETWEEN $2 AND $3
  UNION ALL
  SELECT seq, place FROM (
    SELECT block, 'dropped duplicate' AS place, duplicates AS bits FROM sekali.dropped_sequence WHERE stream_id = $1
    UNION ALL
    SELECT block, 'dropped dead_letter', dead_letters FROM sekali.dropped_sequence WHERE stream_id = $1
    UNION ALL
    SELECT block, 'forgotten event_key', keys FROM sekali.forgotten_sequence note
    WHERE stream_id = $1 AND ${isForgotten('note')}
  ) marks CROSS JOIN generate_series(0, 1023) AS bit (number)
  CROSS JOIN LATERAL (SELECT 1024 * block + number AS seq WHERE get_bit(bits, number) = 1) marked
  WHERE block BETWEEN $2::bigint / 1024 AND $3::bigint / 1024 AND seq BETWEEN $2 AND $3
), sequence AS (
  SELECT seq, CASE WHEN count(*) = 1 THEN 'once' ELSE string_agg(place, ',' ORDER BY place) END AS places
  FROM settled GROUP BY seq
), numbered AS (
  SELECT seq, places, seq - row_number() OVER (PARTITION BY places ORDER BY seq) AS run FROM sequence
)
SELECT min(seq)::float8 AS first, max(seq)::float8 AS last, places
FROM numbered GROUP BY places, run ORDER BY first`;

const TOTALS = `
SELECT
  (SELECT count(*) FROM sekali.event_key WHERE stream_id = $1 AND seq BETWEEN $2 AND $3)::float8 AS stored,
  (SELECT count(*) FROM sekali.dead_letter WHERE stream_id = $1 AND seq BETWEEN $2 AND $3)::float8 AS "deadLetters",
  count(*)::float8 AS duplicates,
  count(*) FILTER (WHERE conflict)::float8 AS conflicts
FROM sekali.duplicate WHERE stream_id = $1 AND seq BETWEEN $2 AND $3`;

/**
 * $4 and $5 are the beginnings and ends of the days that exist. The event of a key from another day was dropped by age,
 * which is not a fault. Of a day that exists, events were dropped where that is noted. Whether they are as many as
 * noted is for audit-retention.ts.
 */
const EVENT_FAULTS = `
SELECT coalesce(key.seq, stored.seq)::float8 AS seq,
  CASE WHEN key.seq IS NULL THEN 'event_without_key'
       WHEN stored.seq IS NULL THEN 'key_without_event'
       ELSE 'event_differs_from_key' END AS fault
FROM (SELECT seq, topic, event_id, stored_at FROM sekali.event_key
      WHERE stream_id = $1 AND seq BETWEEN $2 AND $3) key
FULL JOIN (SELECT seq, topic, event_id, stored_at FROM sekali.event
           WHERE stream_id = $1 AND seq BETWEEN $2 AND $3) stored ON stored.seq = key.seq
WHERE CASE
  WHEN key.seq IS NULL THEN true
  WHEN stored.seq IS NULL THEN EXISTS (
    SELECT FROM unnest($4::timestamptz[], $5::timestamptz[]) AS day (since, until)
    WHERE key.stored_at >= day.since AND key.stored_at < day.until)
    AND NOT EXISTS (
    SELECT FROM sekali.dropped_payload dropped
    WHERE dropped.topic = key.topic AND dropped.day = (key.stored_at AT TIME ZONE 'UTC')::date)
  ELSE (key.topic, key.event_id, key.stored_at) IS DISTINCT FROM (stored.topic, stored.event_id, stored.stored_at)
END
ORDER BY 1`;

/** A duplicate may outlive the id of its first event, which may have been stored once more since. */
const DUPLICATE_FAULTS = `
SELECT repeat.seq::float8 AS seq,
  CASE WHEN key.topic IS NULL THEN 'duplicate_without_key' ELSE 'duplicate_of_another' END AS fault
FROM sekali.duplicate repeat
LEFT JOIN sekali.event_key key ON key.topic = repeat.topic AND key.event_id = repeat.event_id
WHERE repeat.stream_id = $1 AND repeat.seq BETWEEN $2 AND $3
  AND (key.topic IS NULL OR (key.stream_id, key.seq) IS DISTINCT FROM (repeat.first_stream_id, repeat.first_seq))
  AND NOT EXISTS (
    SELECT FROM sekali.forgotten_sequence note
    WHERE note.stream_id = repeat.first_stream_id AND block = repeat.first_seq / 1024
      AND get_bit(keys, (repeat.first_seq % 1024)::integer) = 1 AND ${isForgotten('note')})
ORDER BY 1`;

/**
 * The days whose events must exist: those that have a partition, and those of which the default partition has events. A
 * partition may begin at another hour than midnight: see partitions.ts.
 */
const KEPT_DAYS = `
WITH bound AS (
  SELECT pg_get_expr(part.relpartbound, part.oid) AS text
  FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid WHERE inhparent = 'sekali.event'::regclass
), edge AS (
  SELECT substring(text from 'FROM \\((.*)\\) TO') AS since, substring(text from 'TO \\((.*)\\)$') AS until
  FROM bound WHERE text LIKE 'FOR VALUES FROM %'
)
SELECT CASE since WHEN 'MINVALUE' THEN '-infinity' ELSE trim(both '''' from since) END AS since,
       CASE until WHEN 'MAXVALUE' THEN 'infinity' ELSE trim(both '''' from until) END AS until
FROM edge
UNION
SELECT day::text, (day + interval '24 hours')::text
FROM (SELECT DISTINCT date_trunc('day', stored_at, 'UTC') AS day FROM sekali.event_default) caught`;

/** Returns the highest settled sequence of a stream incarnation, 0 when no sequence is settled. */
export async function ledgerLastSequence(database: Queryable, streamId: number): Promise<number> {
  const { rows } = await database.query<{ seq: number }>(LAST_SEQUENCE, [streamId]);
  return rows[0]?.seq ?? 0;
}

/**
 * Reads the rows of one segment for the audit, chunk by chunk, in ascending order.
 *
 * @param chunkSequences the number of sequences in one chunk
 */
export async function* ledgerChunks(
  database: Queryable,
  { streamId, after, upTo }: SequenceSegment,
  chunkSequences: number = AUDIT_CHUNK_SEQUENCES,
): AsyncGenerator<LedgerChunk> {
  const { rows: days } = await database.query<{ since: string; until: string }>(KEPT_DAYS);
  // Sequences begin at 1. Rows below that are read as well, because they are faults.
  let at = after === 0 ? Number.MIN_SAFE_INTEGER : after + 1;
  for (;;) {
    const { rows } = await database.query<{ seq: number | null }>(NEXT_SEQUENCE, [streamId, at]);
    const from = rows[0]?.seq ?? null;
    if (from === null || from > upTo) return;
    const to = Math.min(from + chunkSequences - 1, upTo);
    const range = [streamId, from, to];
    const runs = await database.query<{ first: number; last: number; places: string }>(RUNS, range);
    const totals = await database.query<LedgerTotals & Record<string, unknown>>(TOTALS, range);
    const events = await database.query<RowFault & Record<string, unknown>>(EVENT_FAULTS, [
      ...range,
      days.map((day) => day.since),
      days.map((day) => day.until),
    ]);
    const duplicates = await database.query<RowFault & Record<string, unknown>>(DUPLICATE_FAULTS, range);
    at = to + 1;
    yield {
      from,
      to,
      runs: runs.rows.map(({ first, last, places }) => ({
        first,
        last,
        doubledIn: places === 'once' ? [] : places.split(','),
      })),
      totals: totals.rows[0] ?? { stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 },
      faults: [...events.rows, ...duplicates.rows],
    };
  }
}
