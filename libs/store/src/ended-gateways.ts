/**
 * Adds up the counts of gateways that have ended.
 *
 *   a row for each topic of each gateway process ─ended for a week─▶ one row for each topic
 *
 * Otherwise each restart of a gateway would leave up to 10,000 rows for ever. Whether a gateway has
 * ended is known without asking: one that runs writes under no id for longer than a day (broker-duplicates.ts), and a week is far beyond that.
 *
 * One statement deletes and adds, so every reader finds each count once. It is repeatable and may run in several
 * gateways at once: what one of them deleted, another does not find.
 */
import type { Queryable } from '#postgres';

/** The id under which they are added up. No gateway has it. */
const ENDED = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
/** The time since the last write of a gateway. */
const ENDED_AFTER = '7 days';
/** Gateways in one statement. Each has up to 10,000 rows. */
const GATEWAYS_AT_ONCE = 10;

const ADD_UP = `
WITH ended AS (
  SELECT gateway FROM sekali.broker_duplicate WHERE gateway <> $1
  GROUP BY gateway HAVING max(written_at) < now() - $2::interval
  ORDER BY gateway LIMIT $3
), gone AS (
  DELETE FROM sekali.broker_duplicate USING ended
  WHERE broker_duplicate.gateway = ended.gateway
  RETURNING broker_duplicate.gateway, topic, dropped
), kept AS (
  INSERT INTO sekali.broker_duplicate AS kept (gateway, topic, dropped, written_at)
  SELECT $1, topic, sum(dropped), now() FROM gone GROUP BY topic ORDER BY topic
  ON CONFLICT (gateway, topic) DO UPDATE
  SET dropped = kept.dropped + EXCLUDED.dropped, written_at = EXCLUDED.written_at
)
SELECT count(DISTINCT gateway)::integer AS gateways FROM gone`;

/** Adds them up. @returns how many gateways had ended */
export async function addUpEndedGateways(database: Queryable): Promise<number> {
  let all = 0;
  for (;;) {
    const { rows } = await database.query<{ gateways: number }>(ADD_UP, [
      ENDED,
      ENDED_AFTER,
      GATEWAYS_AT_ONCE,
    ]);
    const gateways = rows[0]?.gateways ?? 0;
    all += gateways;
    if (gateways < GATEWAYS_AT_ONCE) return all;
  }
}
