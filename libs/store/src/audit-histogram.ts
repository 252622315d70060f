/** Compares the histogram with the counters and with the rows, for the audit. */
import type { Queryable } from '#postgres';

/** What is wrong with the histogram of a topic. */
export interface HistogramFault {
  readonly topic: string;
  /**
   * `counters`: its sum differs from the counters. `rows`: there are more rows of a span of time than it says. Both sums
   * equal, rows cannot be fewer anywhere without being more elsewhere.
   */
  readonly kind: 'counters' | 'rows';
}

const FIGURES = ['stored', 'duplicates', 'conflicts', 'dead_letters'] as const;
const LIST = FIGURES.join(', ');
const NEGATIVE = FIGURES.map((figure) => `-${figure}`).join(', ');
const SUMS = FIGURES.map((figure) => `sum(${figure}) AS ${figure}`).join(', ');

const COUNTER_FAULTS = `
SELECT topic
FROM (SELECT topic, ${LIST} FROM sekali.histogram UNION ALL SELECT topic, ${NEGATIVE} FROM sekali.counter) difference
GROUP BY topic
HAVING ${FIGURES.map((figure) => `sum(${figure}) <> 0`).join(' OR ')}
ORDER BY topic LIMIT $1`;

/**
 * Rows that were removed by age leave fewer rows than counts. So the rows of a span may be fewer, and never more. What
 * was settled before the histogram began is in no span. A span is as long as the longest row that is kept of it.
 */
const ROW_FAULTS = `
WITH begun AS MATERIALIZED (
  SELECT coalesce(date_trunc('day', max(beginning), 'UTC') + interval '1 day', '-infinity') AS at
  FROM sekali.histogram WHERE kind = 'before'
), day AS MATERIALIZED (
  SELECT topic, beginning FROM sekali.histogram WHERE kind = 'day'
), hour AS MATERIALIZED (
  SELECT topic, beginning FROM sekali.histogram WHERE kind = 'hour'
), minutes AS (
  SELECT topic, minute, ${SUMS}
  FROM (
    SELECT topic, date_trunc('minute', stored_at, 'UTC') AS minute, 1 AS stored, 0 AS duplicates, 0 AS conflicts, 0 AS dead_letters
    FROM sekali.event_key
    UNION ALL
    SELECT topic, date_trunc('minute', recorded_at, 'UTC'), 0, 1, conflict::integer, 0 FROM sekali.duplicate
    UNION ALL
    SELECT topic, date_trunc('minute', recorded_at, 'UTC'), 0, 0, 0, 1 FROM sekali.dead_letter
  ) place
  GROUP BY topic, minute
), difference AS (
  SELECT topic, minute, ${LIST} FROM minutes
  UNION ALL
  SELECT topic, beginning, ${NEGATIVE} FROM sekali.histogram WHERE kind <> 'before'
)
SELECT DISTINCT topic
FROM (
  SELECT difference.topic
  FROM difference
  LEFT JOIN day ON day.topic = difference.topic AND day.beginning = date_trunc('day', minute, 'UTC')
  LEFT JOIN hour ON hour.topic = difference.topic AND hour.beginning = date_trunc('hour', minute, 'UTC')
  WHERE minute >= (SELECT at FROM begun)
  GROUP BY difference.topic, coalesce(day.beginning, hour.beginning, minute)
  HAVING ${FIGURES.map((figure) => `sum(${figure}) > 0`).join(' OR ')}
) faults
ORDER BY topic LIMIT $1`;

/**
 * Finds the topics whose histogram differs from their counters or rows.
 *
 * @param database the snapshot of the audit
 * @param limit the highest number of topics of each kind
 */
export async function histogramFaults(database: Queryable, limit: number): Promise<HistogramFault[]> {
  const counters = await database.query<{ topic: string }>(COUNTER_FAULTS, [limit]);
  const rows = await database.query<{ topic: string }>(ROW_FAULTS, [limit]);
  return [
    ...counters.rows.map(({ topic }): HistogramFault => ({ topic, kind: 'counters' })),
    ...rows.rows.map(({ topic }): HistogramFault => ({ topic, kind: 'rows' })),
  ];
}
