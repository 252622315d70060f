/**
 * Checks whether the brokers kept what they promised.
 *
 *   mark of a gateway ─ its id has an end in the ledger ─────────────────────▶ kept
 *                     ├ beyond the end of the stream, or another event there ▶ broken, once nothing is in flight
 *                     └ there, or it may not be read ───────────────────────▶ in flight
 *
 * A stream that lost its newest messages ends before them and looks whole. The marks were written elsewhere. While
 * something is in flight, an event that its producer sent again may be on its way under another sequence.
 */
import { decodeEvent, messageIdOf, type RawMessage } from '#contracts';
import { type PromisedEvent, type Queryable, unsettledPromises } from '#store';
import { RangeTally } from './range-tally.js';

/**
 * Reads a message of the stream. The result is `null` when there is none, and `undefined` when this user may not read
 * it.
 */
export type ReadMessage = (seq: number) => Promise<RawMessage | null | undefined>;

/** The result of the check. */
export interface PromiseFindings {
  readonly marks: number;
  /** Marks whose event has no end in the ledger and which the stream does not have either. */
  readonly broken: RangeTally;
  /** Marks without an end that were not compared with the stream, because there are too many. */
  readonly uncompared: number;
}

/** The newest are compared, because brokers lose what they took last. */
const READS_MAX = 1_000;

/** Compares the marks of a stream with the ledger and the stream. @param lastSeq where the stream ends */
export async function checkPromises(
  database: Queryable,
  stream: string,
  lastSeq: number,
  read: ReadMessage,
): Promise<PromiseFindings> {
  const { marks, unsettled, newest } = await unsettledPromises(database, stream, READS_MAX);
  const broken: number[] = [];
  for (const promised of newest) {
    if (promised.seq > lastSeq || (await isAnother(promised, read))) broken.push(promised.seq);
  }
  const tally = new RangeTally();
  // In two histories of the stream, two gateways may have been promised the same sequence.
  for (const seq of new Set(broken.sort((a, b) => a - b))) tally.add(seq, seq);
  return { marks, broken: tally, uncompared: unsettled - newest.length };
}

async function isAnother({ seq, topic, eventId }: PromisedEvent, read: ReadMessage): Promise<boolean> {
  const message = await read(seq);
  if (message === undefined) return false;
  if (message === null) return true;
  // The subject of a message is its prefix and its topic.
  const [prefix = ''] = message.subject.split('.');
  const decoded = decodeEvent(message, prefix, Number.POSITIVE_INFINITY);
  if (!decoded.ok) return true;
  return messageIdOf(decoded.event.topic, decoded.event.eventId) !== messageIdOf(topic, eventId);
}
