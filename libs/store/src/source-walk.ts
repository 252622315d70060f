/**
 * Walks over the events of one source in the order of the stream.
 *
 * Closed days have an index by source, along which only events of the source are walked. The present days, which are not
 * closed, are walked event by event, whatever their source.
 */
import type { Queryable } from '#postgres';
import { indexedBefore } from './day-indexes.js';
import type { EventPosition } from './event-queries.js';

/** The present days, in order. They are walked up to the end of the other walk alone, mostly not at all. */
const PRESENT = `
    SELECT seq, source FROM sekali.event
    WHERE stream_id = $1 AND seq > $2 AND stored_at >= $6
      AND seq <= coalesce((SELECT seq FROM closed), ${Number.MAX_SAFE_INTEGER})
    ORDER BY seq LIMIT $5`;

// Where the present days have enough events of the source, their walk ends there. Only where they have not, the second
// walk over them takes place.
const WALK_END = `
WITH closed AS MATERIALIZED (
  SELECT max(seq) AS seq
  FROM (
    SELECT seq FROM sekali.event
    WHERE stream_id = $1 AND seq > $2 AND source = $3 AND stored_at < $6
    ORDER BY seq LIMIT $4
  ) walked
  HAVING count(*) = $4
)
SELECT least(
  (SELECT seq FROM closed),
  coalesce(
    (SELECT max(seq) FROM (SELECT seq FROM (${PRESENT}) walked WHERE source = $3 LIMIT $4) found HAVING count(*) = $4),
    (SELECT max(seq) FROM (${PRESENT}) walked HAVING count(*) = $5)
  )
)::float8 AS seq`;

/** How many events of the source are walked at most, and how many of any source in the present days. */
export interface SourceWalkBounds {
  readonly ofSource: number;
  readonly ofAny: number;
}

/**
 * Determines where a walk over the events of a source ends.
 *
 * @returns the sequence of the last event; `undefined` when the walk reaches the end of the stream
 */
export async function sourceWalkEnd(
  database: Queryable,
  source: string,
  after: EventPosition,
  { ofSource, ofAny }: SourceWalkBounds,
): Promise<number | undefined> {
  const { rows } = await database.query<{ seq: number | null }>(WALK_END, [
    after.streamId,
    after.seq,
    source,
    ofSource,
    ofAny,
    await indexedBefore(database),
  ]);
  return rows[0]?.seq ?? undefined;
}
