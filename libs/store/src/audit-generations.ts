/** Finds ids that are in two generations of keys. Each generation has its own unique constraint, and none spans them. */
import type { Queryable } from '#postgres';

/** Ids that are in more than one generation of keys. */
export interface RepeatedKeys {
  readonly count: number;
  /** The first of them, if there is one. */
  readonly first: { readonly topic: string; readonly eventId: string } | undefined;
}

const HAS_GENERATIONS = `SELECT EXISTS (SELECT FROM pg_inherits WHERE inhparent = 'sekali.event_key'::regclass) AS present`;

// It reads every key once. A lookup of each key in every other generation would take many times as long.
const REPEATED = `
SELECT topic, event_id AS "eventId", count(*) OVER ()::float8 AS count
FROM (SELECT topic, event_id FROM sekali.event_key GROUP BY topic, event_id HAVING count(*) > 1) repeated
ORDER BY topic, event_id LIMIT 1`;

/**
 * Finds the ids that two generations of keys have, and that therefore took effect twice. Before the first change of
 * generation it reads nothing.
 *
 * @param database the snapshot of the audit
 */
export async function keysInTwoGenerations(database: Queryable): Promise<RepeatedKeys> {
  const { rows: generations } = await database.query<{ present: boolean }>(HAS_GENERATIONS);
  if (generations[0]?.present !== true) return { count: 0, first: undefined };
  const { rows } = await database.query<{ topic: string; eventId: string; count: number }>(REPEATED);
  const row = rows[0];
  if (row === undefined) return { count: 0, first: undefined };
  return { count: row.count, first: { topic: row.topic, eventId: row.eventId } };
}
