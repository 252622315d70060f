/** Compares the counters of a stream with its rows and with those that were dropped or forgotten by age, and lists the streams that have rows. */
import type { Queryable } from '#postgres';
import { isForgotten } from './audit-forgotten-ids.js';
import type { LedgerTotals } from './audit-ledger.js';

/** A topic whose counters differ from its rows. */
export interface CounterFault {
  readonly topic: string;
  readonly counted: LedgerTotals;
  readonly rows: LedgerTotals;
}

/** A stream incarnation that is registered, or has rows. */
export interface LedgerStream {
  readonly streamId: number;
  /** `undefined` when rows have a number that no registered stream has. */
  readonly name: string | undefined;
  readonly identity: string | undefined;
}

const COUNTER_FAULTS = `
WITH present AS (
  SELECT topic, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,
    sum(dead_letters) AS dead_letters
  FROM (
    SELECT topic, count(*) AS stored, 0 AS duplicates, 0 AS conflicts, 0 AS dead_letters
    FROM sekali.event_key WHERE stream_id = $1 GROUP BY topic
    UNION ALL
    SELECT topic, 0, count(*), count(*) FILTER (WHERE conflict), 0
    FROM sekali.duplicate WHERE stream_id = $1 GROUP BY topic
    UNION ALL
    SELECT topic, 0, 0, 0, count(*) FROM sekali.dead_letter WHERE stream_id = $1 GROUP BY topic
    UNION ALL
    SELECT topic, 0, duplicates, conflicts, dead_letters FROM sekali.dropped_row WHERE stream_id = $1
    UNION ALL
    SELECT topic, ids, 0, 0, 0 FROM sekali.forgotten_id note WHERE stream_id = $1 AND ${isForgotten('note')}
  ) place GROUP BY topic
), counted AS (
  SELECT topic, sum(stored) AS stored, sum(duplicates) AS duplicates, sum(conflicts) AS conflicts,
    sum(dead_letters) AS dead_letters
  FROM sekali.counter WHERE stream_id = $1 GROUP BY topic
), both_sides AS (
  SELECT topic,
    ARRAY[coalesce(counted.stored, 0), coalesce(counted.duplicates, 0), coalesce(counted.conflicts, 0),
      coalesce(counted.dead_letters, 0)]::float8[] AS counted,
    ARRAY[coalesce(present.stored, 0), coalesce(present.duplicates, 0), coalesce(present.conflicts, 0),
      coalesce(present.dead_letters, 0)]::float8[] AS rows
  FROM present FULL JOIN counted USING (topic)
)
SELECT topic, counted, rows FROM both_sides WHERE counted <> rows ORDER BY topic LIMIT $2`;

/** Steps from one stream number to the next by index. Reading every row to find a few numbers would cost more. */
const STREAMS = `
WITH RECURSIVE used (stream_id) AS (
  SELECT (${nextStream('0')})
  UNION ALL
  SELECT (${nextStream('used.stream_id')}) FROM used WHERE used.stream_id IS NOT NULL
)
SELECT coalesce(known.stream_id, used.stream_id) AS stream_id, known.name, known.identity
FROM (SELECT stream_id FROM used WHERE stream_id IS NOT NULL) used
FULL JOIN sekali.stream known ON known.stream_id = used.stream_id
ORDER BY 1`;

function nextStream(after: string): string {
  const tables = ['event_key', 'duplicate', 'dead_letter', 'event', 'counter'];
  const least = tables.map(
    (table) => `(SELECT min(stream_id) FROM sekali.${table} WHERE stream_id > ${after})`,
  );
  return `SELECT least(${least.join(', ')})`;
}

/**
 * Finds the topics of a stream incarnation whose counters, summed over their shards, differ from the rows.
 *
 * @param limit the highest number of topics to return
 */
export async function counterFaults(
  database: Queryable,
  streamId: number,
  limit: number,
): Promise<CounterFault[]> {
  const { rows } = await database.query<{ topic: string; counted: number[]; rows: number[] }>(
    COUNTER_FAULTS,
    [streamId, limit],
  );
  return rows.map((row) => ({ topic: row.topic, counted: figures(row.counted), rows: figures(row.rows) }));
}

/** Returns every stream incarnation that is registered or has rows, by its number. */
export async function ledgerStreams(database: Queryable): Promise<LedgerStream[]> {
  const { rows } = await database.query<{ stream_id: number; name: string | null; identity: string | null }>(
    STREAMS,
  );
  return rows.map((row) => ({
    streamId: row.stream_id,
    name: row.name ?? undefined,
    identity: row.identity ?? undefined,
  }));
}

function figures([
  stored = 0,
  duplicates = 0,
  conflicts = 0,
  deadLetters = 0,
]: readonly number[]): LedgerTotals {
  return { stored, duplicates, conflicts, deadLetters };
}
