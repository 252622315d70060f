/** A message as the brokers deliver it, and what a decoder makes of it. */
import type { SekaliEvent } from './event.js';
import { endsInWhiteSpace, MESSAGE_ID_HEADER, messageIdOf } from './subject.js';

/** Why a message is not an event. */
export type PoisonReason = 'too_large' | 'not_utf8' | 'not_json' | 'invalid_event' | 'subject_mismatch';

/** A reason, with a sentence that says what was wrong. */
export interface Undecodable {
  readonly ok: false;
  readonly reason: PoisonReason;
  readonly detail: string;
  /** The id, where the message has a valid one. */
  readonly eventId?: string;
}

/** The result: an event, or the reason why there is none. */
export type Decoded = { readonly ok: true; readonly event: SekaliEvent } | Undecodable;

/** The parts of a message that decide whether it is an event. */
export interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the brokers took it. A CloudEvent without a time has this one. */
  readonly publishedAt?: Date;
  /**
   * The value of a header, `undefined` where it was not sent. It is called only when the body has no id, because
   * parsing headers costs as much as reading the body.
   */
  header(name: string): string | undefined;
  /** The headers as they were sent, one in each line. Without it, no header can say that it is a CloudEvent. */
  headerBytes?(): Uint8Array | undefined;
}

const DETAIL_LENGTH_MAX = 2_000;

/**
 * A message that is not an event.
 *
 * The sentence quotes the message, so unstorable characters are replaced. A dead letter that Postgres refuses would be
 * lost.
 */
export function undecodable(reason: PoisonReason, detail: string, eventId?: string): Undecodable {
  const storable = detail.slice(0, DETAIL_LENGTH_MAX).toWellFormed().replaceAll('\0', '\ufffd');
  return { ok: false, reason, detail: storable, ...(eventId !== undefined && { eventId }) };
}

/** The value of a UTF-8 body, without its byte order mark; `undefined` when it is not UTF-8. */
export function utf8Text(data: Uint8Array): string | undefined {
  try {
    return utf8.decode(data);
  } catch {
    return undefined;
  }
}

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Says why the brokers cannot distinguish an id from the same one without trailing white space, if they cannot. */
export function ambiguousIdError(topic: string, eventId: string, message: RawMessage): string | undefined {
  if (!endsInWhiteSpace(eventId)) return undefined;
  if (message.header(MESSAGE_ID_HEADER)?.trimEnd() !== `${topic}:${eventId}`.trimEnd()) return undefined;
  return `event_id: it ends with white space, which the header ${MESSAGE_ID_HEADER} loses, so the brokers see another id; send the header ${messageIdOf(topic, eventId)}, which is <topic>;<base64url of the id>`;
}
