/** The rows that a round of load left: when the event of each was sent, and which transaction committed it. */
import type { Pool } from 'pg';
import { pause } from '#waiting';
import { allTopics } from '../http/event-body.js';
import { WrongSubjectError } from '../wrong-subject.js';

const POLL_MS = 200;

/** One row. */
export interface StoredRow {
  readonly sentAtUs: number;
  /** The transaction that wrote it. */
  readonly transaction: number;
}

const COUNT = `
SELECT count(*)::float8 AS count FROM sekali.event
WHERE topic = ANY($1) AND stream_id = (SELECT max(stream_id) FROM sekali.stream WHERE name = $2) AND seq > $3`;

const ROWS = `
SELECT (payload->>'sent_us')::float8 AS "sentAtUs", xmin::text::float8 AS transaction FROM sekali.event
WHERE topic = ANY($1) AND stream_id = (SELECT max(stream_id) FROM sekali.stream WHERE name = $2) AND seq > $3`;

/**
 * Waits until the events after a sequence are stored, and reads them.
 *
 * @param expected the number of events
 * @throws when another number of them is stored after `timeoutMs`
 */
export async function storedAfter(
  pool: Pool,
  { stream, afterSeq, expected, timeoutMs }: StoredOptions,
): Promise<StoredRow[]> {
  const values = [allTopics(), stream, afterSeq];
  const endsAt = performance.now() + timeoutMs;
  for (;;) {
    const { rows } = await pool.query<{ count: number }>(COUNT, values);
    const count = rows[0]?.count ?? 0;
    if (count === expected) break;
    if (count > expected || performance.now() > endsAt) {
      throw new WrongSubjectError(
        `${count} rows were stored of ${expected} events that the gateway accepted.`,
      );
    }
    await pause(POLL_MS);
  }
  return (await pool.query<StoredRow>(ROWS, values)).rows;
}

/** Which events to wait for, and for how long. */
export interface StoredOptions {
  readonly stream: string;
  readonly afterSeq: number;
  readonly expected: number;
  readonly timeoutMs: number;
}
