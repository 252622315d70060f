/** Compares what retention noted with what is missing: as many events of each topic and day lack their row. */
import type { Queryable } from '#postgres';
import { isForgotten } from './audit-forgotten-ids.js';

/** A topic and a day of which another number of events lacks the row than retention has noted. */
export interface DroppedPayloadFault {
  readonly topic: string;
  /** A day in UTC, such as 2026-11-22. */
  readonly day: string;
  readonly noted: number;
  readonly missing: number;
}

/** The payloads that were dropped by age. */
export interface DroppedPayloads {
  readonly rows: number;
  /** The size of the payloads as they were stored, in bytes. */
  readonly bytes: number;
  readonly faults: readonly DroppedPayloadFault[];
  /** Faults beyond those that are listed. */
  readonly faultsOmitted: number;
}

const FAULTS_MAX = 1_000;

const NOTED = `SELECT coalesce(sum(rows), 0)::float8 AS rows, coalesce(sum(bytes), 0)::float8 AS bytes FROM sekali.dropped_payload`;

// It counts both sides, and joins no rows: a key without its event, in a day that is not noted, is a fault elsewhere.
const FAULTS = `
WITH span AS (
  SELECT min(day) AT TIME ZONE 'UTC' AS since, (max(day) + 1) AT TIME ZONE 'UTC' AS until FROM sekali.dropped_payload
), known AS (
  SELECT topic, (stored_at AT TIME ZONE 'UTC')::date AS day, count(*) AS events
  FROM sekali.event_key, span WHERE stored_at >= since AND stored_at < until GROUP BY 1, 2
), forgotten AS (
  SELECT topic, day, sum(ids) AS events FROM sekali.forgotten_id note WHERE ${isForgotten('note')} GROUP BY 1, 2
), present AS (
  SELECT topic, (stored_at AT TIME ZONE 'UTC')::date AS day, count(*) AS events
  FROM sekali.event, span WHERE stored_at >= since AND stored_at < until GROUP BY 1, 2
)
SELECT topic, day::text, noted, missing, count(*) OVER ()::float8 AS found
FROM (
  SELECT topic, day, rows::float8 AS noted, (coalesce(known.events, 0) + coalesce(forgotten.events, 0) - coalesce(present.events, 0))::float8 AS missing
  FROM sekali.dropped_payload LEFT JOIN known USING (topic, day) LEFT JOIN forgotten USING (topic, day) LEFT JOIN present USING (topic, day)
) compared
WHERE noted <> missing ORDER BY day, topic LIMIT ${FAULTS_MAX}`;

/**
 * Reads what retention has dropped, and where that is not what is missing. Where nothing was dropped, it reads no rows
 * of events.
 *
 * @param database the snapshot of the audit
 */
export async function droppedPayloads(database: Queryable): Promise<DroppedPayloads> {
  const { rows: sums } = await database.query<{ rows: number; bytes: number }>(NOTED);
  const { rows, bytes } = sums[0] ?? { rows: 0, bytes: 0 };
  if (rows === 0) return { rows, bytes, faults: [], faultsOmitted: 0 };
  const { rows: faults } = await database.query<DroppedPayloadFault & { readonly found: number }>(FAULTS);
  return {
    rows,
    bytes,
    faults: faults.map(({ topic, day, noted, missing }) => ({ topic, day, noted, missing })),
    faultsOmitted: (faults[0]?.found ?? 0) - faults.length,
  };
}
