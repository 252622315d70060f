/**
 * How far, from a sequence on, everything of an inbox has its row.
 *
 * Transactions do not commit in the order of their sequences, so "the largest sequence stored" says nothing about what is
 * below it. Up to this horizon no row can appear any more.
 */
import type { Queryable } from '#postgres';
import type { InboxTables } from './inbox-tables.js';

/** Sequences that one statement looks at. */
export const SEQUENCES_PER_STEP = 10_000;

/** Looks at the rows of one inbox. */
export class SettledHorizon {
  private readonly step: string;

  constructor(tables: Pick<InboxTables, 'key' | 'duplicate' | 'deadLetter'>) {
    const range = 'WHERE stream_id = $1 AND seq > $2 AND seq <= $2 + $3';
    // The three tables name each sequence once; UNION keeps a fault in that from counting a sequence twice.
    this.step = `
SELECT count(*)::float8 AS unbroken
FROM (
  SELECT seq, row_number() OVER (ORDER BY seq) AS place
  FROM (
    SELECT seq FROM ${tables.key} ${range}
    UNION SELECT seq FROM ${tables.duplicate} ${range}
    UNION SELECT seq FROM ${tables.deadLetter} ${range}
  ) settled
) placed
WHERE seq = $2 + place`;
  }

  /**
   * Walks from a sequence on, in steps of `SEQUENCES_PER_STEP`.
   *
   * @returns how far rows go on without a gap, or how far it came
   */
  async walk(database: Queryable, streamId: number, from: number, stepsMax = Infinity): Promise<number> {
    let at = from;
    for (let steps = 0; steps < stepsMax; steps++) {
      const { rows } = await database.query<{ unbroken: number }>(this.step, [
        streamId,
        at,
        SEQUENCES_PER_STEP,
      ]);
      const unbroken = rows[0]?.unbroken ?? 0;
      at += unbroken;
      if (unbroken < SEQUENCES_PER_STEP) break;
    }
    return at;
  }
}
