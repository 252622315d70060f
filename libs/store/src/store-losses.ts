/**
 * The record of what the database lost when it went back in time: an asynchronous failover, a promoted replica, or a
 * backup in its place.
 *
 *   noticed ─▶ noted ─▶ the consumer is put back ─▶ delivered again ─▶ restored
 *
 * Gateways read it, because only the consumer's own process sees the loss. The record goes back with the database, so a
 * loss that is lost itself is noticed and noted again.
 */
import type { Incarnation, StoreLoss } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { STORE_INBOX } from './inbox-tables.js';

/** A loss, as it was noted. */
export interface NotedLoss {
  readonly consumer: string;
  readonly firstSeq: number;
  readonly lastSeq: number;
  readonly missing: number;
  readonly publishedAt: Date;
  readonly noticedAt: Date;
  /** When everything had its row again; `undefined` until then. */
  readonly restoredAt: Date | undefined;
}

// Several workers may notice it at the same time, or one of them twice.
const NOTE = `
INSERT INTO sekali.store_loss (consumer, stream_id, first_seq, last_seq, missing, published_at)
SELECT $1, $2, $3, $4, $5, $6
WHERE NOT EXISTS (
  SELECT FROM sekali.store_loss
  WHERE consumer = $1 AND stream_id = $2 AND restored_at IS NULL AND first_seq <= $3 AND last_seq >= $4
)`;

// A kept horizon passes no message that has no row. What is behind the end of a segment, or in an incarnation that is in
// none, has left the stream, and so has what is below the stream's first message. It cannot be delivered again.
const RESTORE = `
UPDATE sekali.store_loss loss SET restored_at = now()
WHERE consumer = $1 AND restored_at IS NULL AND stream_id IN (
  SELECT known.stream_id FROM sekali.stream current JOIN sekali.stream known USING (name)
  WHERE current.stream_id = $2 AND known.stream_id <= $2
) AND LEAST(last_seq, coalesce(
  (SELECT up_to FROM unnest($3::integer[], $4::bigint[]) segment (stream_id, up_to)
   WHERE segment.stream_id = loss.stream_id), 0
)) <= GREATEST($5::bigint, (
  SELECT seq FROM (
    SELECT '${STORE_INBOX}' AS consumer, stream_id, seq FROM sekali.horizon
    UNION ALL SELECT consumer, stream_id, seq FROM sekali.further_horizon
  ) kept
  WHERE kept.consumer = $1 AND kept.stream_id = loss.stream_id
))`;

const NEWEST = `
SELECT consumer, first_seq::float8 AS first, last_seq::float8 AS last, missing::float8 AS missing,
  published_at, noticed_at, restored_at
FROM sekali.store_loss
WHERE restored_at IS NULL OR noticed_at > now() - interval '1 day'
ORDER BY restored_at IS NULL DESC, noticed_at DESC LIMIT 1`;

interface LossRow {
  readonly consumer: string;
  readonly first: number;
  readonly last: number;
  readonly missing: number;
  readonly published_at: Date;
  readonly noticed_at: Date;
  readonly restored_at: Date | null;
}

/** Notes a loss, unless the same one is noted and not restored yet. */
export async function noteStoreLoss(
  database: Queryable,
  inbox: string,
  streamId: number,
  { firstSeq, lastSeq, missing, publishedAt }: StoreLoss,
): Promise<void> {
  await database.query(NOTE, [inbox, streamId, firstSeq, lastSeq, missing, publishedAt]);
}

/**
 * Notes which losses are restored: every message up to their end has its row, as the kept horizon says, or has left the
 * stream. This includes losses of the incarnations before the current one.
 *
 * @param floor the sequence before the first message of the stream
 */
export async function noteRestored(
  database: Queryable,
  inbox: string,
  { streamId, segments }: Pick<Incarnation, 'streamId' | 'segments'>,
  floor: number,
): Promise<void> {
  const values = [segments.map((segment) => segment.streamId), segments.map(({ upTo }) => upTo), floor];
  await database.query(RESTORE, [inbox, streamId, ...values]);
}

/** Returns a loss that is not restored yet, or else the newest one of the last day. */
export async function newestStoreLoss(database: Queryable): Promise<NotedLoss | undefined> {
  const { rows } = await database.query<LossRow>(NEWEST);
  const [row] = rows;
  if (row === undefined) return undefined;
  const { consumer, first: firstSeq, last: lastSeq, missing } = row;
  return {
    ...{ consumer, firstSeq, lastSeq, missing },
    publishedAt: row.published_at,
    noticedAt: row.noticed_at,
    restoredAt: row.restored_at ?? undefined,
  };
}
