/** Reads the ids that were forgotten by age, and checks that the two records of them agree: the counts, and the sequences. */
import type { Queryable } from '#postgres';

/** The ids of one stream incarnation that are forgotten. */
export interface ForgottenIdsOfStream {
  readonly streamId: number;
  readonly ids: number;
  /** Sequences that are marked as those of forgotten ids. */
  readonly marked: number;
}

/** A condition on notes of forgotten ids: only those of an emptied generation count. @param note the alias of the table */
export function isForgotten(note: string): string {
  return `EXISTS (
    SELECT FROM sekali.forgotten_generation emptied
    WHERE emptied.number = ${note}.generation AND emptied.forgotten_at IS NOT NULL)`;
}

const FORGOTTEN = `
WITH counted AS (
  SELECT stream_id, sum(ids)::float8 AS ids FROM sekali.forgotten_id note WHERE ${isForgotten('note')} GROUP BY stream_id
), marked AS (
  SELECT stream_id, sum(bit_count(keys))::float8 AS marked
  FROM sekali.forgotten_sequence note WHERE ${isForgotten('note')} GROUP BY stream_id
)
SELECT stream_id AS "streamId", coalesce(ids, 0) AS ids, coalesce(marked, 0) AS marked
FROM counted FULL JOIN marked USING (stream_id) ORDER BY stream_id`;

/** Reads what was forgotten of each stream incarnation. @param database the snapshot of the audit */
export async function forgottenIds(database: Queryable): Promise<ForgottenIdsOfStream[]> {
  return (await database.query<ForgottenIdsOfStream & Record<string, unknown>>(FORGOTTEN)).rows;
}
