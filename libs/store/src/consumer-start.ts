/**
 * Where a consumer has to begin, so that nothing of an incarnation is left out.
 *
 * A consumer's position is the brokers' knowledge, and may be of another history than the stream's or the database's.
 * It is put back where a new incarnation begins, where it is ahead of the stream, and where it has acknowledged what the
 * database does not have. What is delivered again is found already processed.
 */
import type { Incarnation, StreamWitness } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { firstUnsettled, inboxHorizon, settledHorizon } from './horizon.js';
import { STORE_INBOX } from './inbox-tables.js';

const IS_STARTED = `SELECT FROM sekali.consumer_start WHERE stream_id = $1 AND consumer = $2`;

const START = `
INSERT INTO sekali.consumer_start (stream_id, consumer, seq) VALUES ($1, $2, $3)
ON CONFLICT (stream_id, consumer) DO UPDATE SET seq = EXCLUDED.seq, started_at = now()`;

/** A consumer, as the brokers show it. Asked for before the database is. */
export interface ConsumerPosition {
  /** The highest sequence that was delivered. */
  readonly deliveredSeq: number;
  /** Up to here everything is acknowledged. */
  readonly ackFloorSeq: number;
  readonly stream: { readonly firstSeq: number; readonly lastSeq: number };
}

/** @returns the sequence to which a consumer has to be put back; `undefined` when it stands right */
export async function consumerStart(
  database: Queryable,
  incarnation: Incarnation,
  inbox: string,
  position: ConsumerPosition,
  witness: Pick<StreamWitness, 'publishedAt'>,
): Promise<number | undefined> {
  const { streamId, revision } = incarnation;
  const { stream, deliveredSeq, ackFloorSeq } = position;
  const isAhead = Math.max(deliveredSeq, ackFloorSeq) > stream.lastSeq;
  const isNew = revision > 1 && !(await isStarted(database, streamId, inbox));
  if (isAhead || isNew) return firstToRead(database, incarnation, inbox, stream.firstSeq);
  if (inbox !== STORE_INBOX) return undefined;
  const missing = await firstUnsettled(database, streamId, stream.firstSeq - 1, ackFloorSeq);
  if (missing === undefined) return undefined;
  // A message that was deleted cannot be read again.
  return (await witness.publishedAt([missing])).has(missing) ? missing : undefined;
}

/** Where a consumer that has to be made begins. It is noted before: a consumer that is not made after all begins later. */
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

/** The first sequence that is not settled in an inbox, of those that the stream still has. */
async function firstToRead(
  database: Queryable,
  incarnation: Incarnation,
  inbox: string,
  firstSeq: number,
): Promise<number> {
  const floor = firstSeq - 1;
  const horizon =
    inbox === STORE_INBOX
      ? settledHorizon(database, incarnation.streamId, floor)
      : inboxHorizon(database, incarnation, inbox, floor);
  return (await horizon) + 1;
}

/** Notes that a consumer was put back to where an incarnation begins. */
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
