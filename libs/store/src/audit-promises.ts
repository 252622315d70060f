/** Compares what the brokers promised to gateways with the ledger, and finds the marks of missing events. */
import type { Queryable } from '#postgres';

/** An event that the brokers acknowledged to a gateway. */
export interface PromisedEvent {
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string;
  readonly ackedAt: Date;
}

/** The number of marks, and those whose events have no row in the ledger. */
export interface PromisesFound {
  readonly marks: number;
  readonly unsettled: number;
  /** The newest of the unsettled marks. */
  readonly newest: readonly PromisedEvent[];
}

const COUNT_MARKS = `SELECT count(*)::float8 AS marks FROM sekali.promise WHERE stream = $1`;

// Keys are searched first, because nearly every mark has one, and dead letters have no index by id.
const UNSETTLED = `
WITH keyless AS MATERIALIZED (
  SELECT seq, topic, event_id, acked_at FROM sekali.promise
  WHERE stream = $1 AND NOT EXISTS (
    SELECT FROM sekali.event_key
    WHERE event_key.topic = promise.topic AND event_key.event_id = promise.event_id)
)
SELECT seq::float8 AS seq, topic, event_id AS "eventId", acked_at AS "ackedAt", count(*) OVER ()::float8 AS unsettled
FROM keyless
WHERE NOT EXISTS (
  SELECT FROM sekali.dead_letter
  WHERE dead_letter.topic = keyless.topic AND dead_letter.event_id = keyless.event_id)
ORDER BY acked_at DESC, seq DESC
LIMIT $2`;

/**
 * Finds promises that the ledger does not keep, now or ever.
 *
 * @param database the snapshot of the audit
 * @param newestMax the highest number of unsettled marks to return
 */
export async function unsettledPromises(
  database: Queryable,
  stream: string,
  newestMax: number,
): Promise<PromisesFound> {
  const counted = await database.query<{ marks: number }>(COUNT_MARKS, [stream]);
  const { rows } = await database.query<PromisedEvent & { unsettled: number }>(UNSETTLED, [
    stream,
    newestMax,
  ]);
  return {
    marks: counted.rows[0]?.marks ?? 0,
    unsettled: rows[0]?.unsettled ?? 0,
    newest: rows.map(({ seq, topic, eventId, ackedAt }) => ({ seq, topic, eventId, ackedAt })),
  };
}
