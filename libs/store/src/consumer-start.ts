/**
 * Determines where a consumer has to begin so that it misses no message of an incarnation.
 *
 * Only the brokers know a consumer's position, which may belong to another history than the stream's or the database's.
 * The consumer is put back when a new incarnation begins, and when it is ahead of the stream. It is also put back when
 * it has acknowledged what the database does not have. The inbox knows what is delivered again as already processed.
 */
import type { ConsumerStart, FilteredLosses, Incarnation, StreamSearch } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { STORE_INBOX } from './inbox-tables.js';
import { horizonOf, STORE_HORIZON } from './ledger.js';

const IS_STARTED = `SELECT FROM sekali.consumer_start WHERE stream_id = $1 AND consumer = $2`;

const START = `
INSERT INTO sekali.consumer_start (stream_id, consumer, seq) VALUES ($1, $2, $3)
ON CONFLICT (stream_id, consumer) DO UPDATE SET seq = EXCLUDED.seq, started_at = now()`;

/** The position of a consumer, as the brokers show it. It has to be read before the database. */
export interface ConsumerPosition {
  /** The highest delivered sequence. */
  readonly deliveredSeq: number;
  /** Every sequence up to this one is acknowledged. */
  readonly ackFloorSeq: number;
  readonly stream: { readonly firstSeq: number; readonly lastSeq: number };
}

/** How losses of a consumer are found that leaves a part of the stream out. */
export interface FilteredSearch {
  readonly losses: FilteredLosses;
  /** The subjects of the messages that leave a row, no two of which overlap. */
  readonly subjects: readonly string[];
}

/**
 * Checks the position of a consumer.
 *
 * @param inbox the name of the consumer's inbox
 * @param filtered only for a consumer that leaves a part of the stream out: its rows have gaps where nothing is lost
 * @returns where the consumer has to be put back to; `undefined` when its position is right
 */
export async function consumerStart(
  database: Queryable,
  incarnation: Incarnation,
  inbox: string,
  position: ConsumerPosition,
  witness: Pick<StreamSearch, 'bounds' | 'nextAt'>,
  filtered?: FilteredSearch,
): Promise<ConsumerStart | undefined> {
  const { streamId, revision, segments } = incarnation;
  const { stream, deliveredSeq, ackFloorSeq } = position;
  const isAhead = Math.max(deliveredSeq, ackFloorSeq) > stream.lastSeq;
  const isNew = revision > 1 && !(await isStarted(database, streamId, inbox));
  if (isAhead || isNew) return { seq: await firstToRead(database, incarnation, inbox, stream.firstSeq) };
  const bounds = { floor: stream.firstSeq - 1, acknowledged: Math.min(ackFloorSeq, stream.lastSeq) };
  const loss =
    filtered === undefined
      ? await horizonOf(inbox).loss(database, segments, bounds, witness)
      : await filtered.losses.loss(database, segments, bounds, witness, filtered.subjects);
  return loss && { seq: loss.firstSeq, loss };
}

/**
 * Determines where a new consumer begins, and notes it. The note comes first: a consumer that is not created after all
 * begins later.
 *
 * @param firstSeq the first sequence of the stream
 * @returns the sequence of its first delivery
 */
export async function beginConsumer(
  database: Queryable,
  incarnation: Incarnation,
  inbox: string,
  firstSeq: number,
): Promise<number> {
  const seq = await firstToRead(database, incarnation, inbox, firstSeq);
  await noteConsumerStart(database, incarnation, inbox, seq);
  return seq;
}

/** Finds the first sequence that the stream still has and that is not settled in an inbox. */
async function firstToRead(
  database: Queryable,
  incarnation: Incarnation,
  inbox: string,
  firstSeq: number,
): Promise<number> {
  const floor = firstSeq - 1;
  const horizon =
    inbox === STORE_INBOX
      ? STORE_HORIZON.settled(database, incarnation.streamId, floor)
      : walkInbox(database, incarnation, inbox, floor);
  return (await horizon) + 1;
}

/** Walks over the inbox of a further consumer, and returns the sequence up to which everything is settled. */
async function walkInbox(
  database: Queryable,
  { segments }: Incarnation,
  inbox: string,
  floor: number,
): Promise<number> {
  const horizon = horizonOf(inbox);
  let at = floor;
  for (const { streamId, upTo } of segments) {
    if (at >= upTo) continue;
    at = Math.min(upTo, await horizon.walk(database, streamId, at));
    if (at < upTo) return at;
  }
  return at;
}

/** Notes that a consumer begins at a sequence of an incarnation. */
export async function noteConsumerStart(
  database: Queryable,
  { streamId }: Incarnation,
  inbox: string,
  seq: number,
): Promise<void> {
  await database.query(START, [streamId, inbox, seq]);
}

async function isStarted(database: Queryable, streamId: number, inbox: string): Promise<boolean> {
  const { rowCount } = await database.query(IS_STARTED, [streamId, inbox]);
  return (rowCount ?? 0) > 0;
}
