/** Reads the rows that retention has dropped, and checks that its two records agree: the counts, and the sequences. */
import type { Queryable } from '#postgres';

/** The rows of one stream incarnation that were dropped by age. Duplicates include conflicts. */
export interface DroppedRowsOfStream {
  readonly streamId: number;
  readonly duplicates: number;
  readonly conflicts: number;
  readonly deadLetters: number;
  /** Sequences that are marked as those of dropped duplicates. */
  readonly duplicatesMarked: number;
  readonly deadLettersMarked: number;
}

const DROPPED = `
WITH counted AS (
  SELECT stream_id, sum(duplicates)::float8 AS duplicates, sum(conflicts)::float8 AS conflicts,
    sum(dead_letters)::float8 AS dead_letters
  FROM sekali.dropped_row GROUP BY stream_id
), marked AS (
  SELECT stream_id, sum(bit_count(duplicates))::float8 AS duplicates, sum(bit_count(dead_letters))::float8 AS dead_letters
  FROM sekali.dropped_sequence GROUP BY stream_id
)
SELECT stream_id AS "streamId", coalesce(counted.duplicates, 0) AS duplicates, coalesce(conflicts, 0) AS conflicts,
  coalesce(counted.dead_letters, 0) AS "deadLetters", coalesce(marked.duplicates, 0) AS "duplicatesMarked",
  coalesce(marked.dead_letters, 0) AS "deadLettersMarked"
FROM counted FULL JOIN marked USING (stream_id) ORDER BY stream_id`;

/** Reads what was dropped of each stream incarnation. @param database the snapshot of the audit */
export async function droppedRows(database: Queryable): Promise<DroppedRowsOfStream[]> {
  return (await database.query<DroppedRowsOfStream & Record<string, unknown>>(DROPPED)).rows;
}
