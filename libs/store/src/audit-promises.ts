/** What gateways were promised, compared with the ledger: the marks of events that it does not have. */
import type { Queryable } from '#postgres';

/** An event that the brokers acknowledged to a gateway. */
export interface PromisedEvent {
  readonly seq: number;
  readonly topic: string;
  readonly eventId: string;
  readonly ackedAt: Date;
}

/** The marks there are, and those without an end in the ledger. */
export interface PromisesFound {
  readonly marks: number;
  readonly unsettled: number;
  /** The newest of the unsettled. */
  readonly newest: readonly PromisedEvent[];
}

const COUNT_MARKS = `SELECT count(*)::float8 AS marks FROM sekali.promise WHERE stream = $1`;

// Keys first: nearly every mark has one, and of dead letters there is no index by id.
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
 * Looks for promises that the ledger has not kept, yet or ever.
 *
 * @param database the audit's view
 * @param newestMax of the unsettled marks, how many are returned at most
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
