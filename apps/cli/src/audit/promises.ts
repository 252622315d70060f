/**
 * Did the brokers keep what they promised?
 *
 *   mark of a gateway ─ its id has an end in the ledger ─────────────────────▶ kept
 *                     ├ beyond the end of the stream, or another event there ▶ broken, once nothing is in flight
 *                     └ there, or it may not be looked at ──────────────────▶ in flight
 *
 * A stream that lost its newest messages ends before them and looks whole. The marks were written elsewhere. While
 * something is in flight, an event that its producer sent again may be on its way under another sequence.
 */
import { decodeEvent, messageIdOf, type RawMessage } from '#contracts';
import { type PromisedEvent, type Queryable, unsettledPromises } from '#store';
import { RangeTally } from './range-tally.js';

/** Looks at a message of the stream; `null` when there is none, `undefined` when it may not be looked at. */
export type LookAtMessage = (seq: number) => Promise<RawMessage | null | undefined>;

/** What was found. */
export interface PromiseFindings {
  readonly marks: number;
  /** Of marks whose event has no end in the ledger, those that the stream does not have either. */
  readonly broken: RangeTally;
  /** Marks without an end that were not compared with the stream, because there are too many. */
  readonly uncompared: number;
}

/** The newest are looked at: what brokers lose is what they took last. */
const LOOKS_MAX = 1_000;

/** Compares the marks of a stream with the ledger and the stream. @param lastSeq where the stream ends */
export async function checkPromises(
  database: Queryable,
  stream: string,
  lastSeq: number,
  look: LookAtMessage,
): Promise<PromiseFindings> {
  const { marks, unsettled, newest } = await unsettledPromises(database, stream, LOOKS_MAX);
  const broken: number[] = [];
  for (const promised of newest) {
    if (promised.seq > lastSeq || (await isAnother(promised, look))) broken.push(promised.seq);
  }
  const tally = new RangeTally();
  // Two gateways may have been promised the same sequence, in two histories of the stream.
  for (const seq of new Set(broken.sort((a, b) => a - b))) tally.add(seq, seq);
  return { marks, broken: tally, uncompared: unsettled - newest.length };
}

async function isAnother({ seq, topic, eventId }: PromisedEvent, look: LookAtMessage): Promise<boolean> {
  const message = await look(seq);
  if (message === undefined) return false;
  if (message === null) return true;
  // The subject of a message is its prefix and its topic.
  const [prefix = ''] = message.subject.split('.');
  const decoded = decodeEvent(message, prefix, Number.POSITIVE_INFINITY);
  if (!decoded.ok) return true;
  return messageIdOf(decoded.event.topic, decoded.event.eventId) !== messageIdOf(topic, eventId);
}
