/**
 * Turns the bytes of a message into an event, or into the reason why it is not one.
 *
 * Messages of producers that publish directly to NATS are validated here. A message that fails would fail on every
 * worker and at every delivery, so it becomes a dead letter at once.
 */
import {
  eventIdError,
  payloadError,
  type FieldError,
  type SekaliEvent,
  sourceError,
  timestampError,
  topicError,
  unknownFieldErrors,
} from './event.js';
import { objectSpans } from './json-text.js';
import { endsInWhiteSpace, eventIdOf, MESSAGE_ID_HEADER, messageIdOf, topicOf } from './subject.js';
import { canonicalTimestamp } from './timestamp.js';
import { readWrittenMessage } from './written-event.js';

/** Why a message is not an event. */
export type PoisonReason = 'too_large' | 'not_utf8' | 'not_json' | 'invalid_event' | 'subject_mismatch';

/** The result: an event, or a reason with a sentence that says what was wrong. */
export type Decoded =
  | { readonly ok: true; readonly event: SekaliEvent }
  | {
      readonly ok: false;
      readonly reason: PoisonReason;
      readonly detail: string;
      /** The id, where the message has a valid one. */
      readonly eventId?: string;
    };

/** The parts of a message that decide whether it is an event. */
export interface RawMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  /**
   * The value of a header, `undefined` where it was not sent. It is called only when the body has no id, because
   * parsing headers costs as much as reading the body.
   */
  header(name: string): string | undefined;
}

const DETAIL_LENGTH_MAX = 2_000;

/** The decoder removes a byte order mark, as the HTTP door does. */
const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Decodes and validates a message. It never throws.
 *
 * @param prefix the first tokens of every subject, `events`
 * @param eventBytesMax the largest body, in bytes
 */
export function decodeEvent(message: RawMessage, prefix: string, eventBytesMax: number): Decoded {
  if (message.data.length > eventBytesMax) {
    return poison('too_large', `${message.data.length} bytes, at most ${eventBytesMax} are allowed`);
  }
  let text: string;
  try {
    text = utf8.decode(message.data);
  } catch {
    return poison('not_utf8', 'the body is not UTF-8');
  }
  const written = readWrittenMessage(text, message.subject, prefix);
  if (written !== undefined) return { ok: true, event: written };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return poison('not_json', error instanceof Error ? error.message : 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return poison('invalid_event', 'the body must be a JSON object');
  }
  return decodeBody(body as Record<string, unknown>, text, message, prefix);
}

function decodeBody(
  body: Record<string, unknown>,
  text: string,
  message: RawMessage,
  prefix: string,
): Decoded {
  const subjectTopic = topicOf(prefix, message.subject);
  const topic = Object.hasOwn(body, 'topic') ? body['topic'] : subjectTopic;
  const eventId = Object.hasOwn(body, 'event_id') ? body['event_id'] : idOfHeader(message, topic);
  const payload = objectSpans(text).members.get('payload');
  const payloadText = payload ? text.slice(payload.start, payload.end) : '';
  const errors: FieldError[] = unknownFieldErrors(Object.keys(body));
  const check = (field: string, error: string | undefined): void => {
    if (error !== undefined) errors.push({ field, message: error });
  };
  check('topic', topicError(topic));
  check('event_id', eventIdError(eventId));
  check('timestamp', timestampError(body['timestamp']));
  check('source', sourceError(body['source']));
  check('payload', payloadError(body['payload'], payloadText));
  const knownId = eventIdError(eventId) === undefined ? { eventId: eventId as string } : {};
  if (errors.length > 0) {
    const detail = errors.map((error) => `${error.field}: ${error.message}`).join('; ');
    return { ...poison('invalid_event', detail), ...knownId };
  }
  if (topic !== subjectTopic) {
    const detail = `the body says topic ${String(topic)}, the subject ${message.subject}`;
    return { ...poison('subject_mismatch', detail), ...knownId };
  }
  if (isAmbiguous(topic as string, eventId as string, message)) {
    const detail = `event_id: it ends with white space, which the header ${MESSAGE_ID_HEADER} loses, so the brokers see another id; send the header ${messageIdOf(topic as string, eventId as string)}, which is <topic>;<base64url of the id>`;
    return { ...poison('invalid_event', detail), ...knownId };
  }
  return {
    ok: true,
    event: {
      topic: topic as string,
      eventId: eventId as string,
      timestamp: canonicalTimestamp(body['timestamp'] as string) as string,
      source: body['source'] as string,
      payload: payloadText,
    },
  };
}

function idOfHeader(message: RawMessage, topic: unknown): string | undefined {
  const messageId = message.header(MESSAGE_ID_HEADER);
  return typeof topic === 'string' && messageId !== undefined ? eventIdOf(topic, messageId) : undefined;
}

/** Whether the brokers cannot distinguish the id from the same id without trailing white space. */
function isAmbiguous(topic: string, eventId: string, message: RawMessage): boolean {
  return (
    endsInWhiteSpace(eventId) &&
    message.header(MESSAGE_ID_HEADER)?.trimEnd() === `${topic}:${eventId}`.trimEnd()
  );
}

/**
 * The sentence quotes the message, so unstorable characters are replaced. A dead letter that Postgres refuses would be
 * lost.
 */
/**
 * The topic that the subject of a message names, for one that is not an event.
 *
 * @param prefix the first tokens of every subject, `events`
 * @returns `undefined` where the subject names none, or one that no event can have
 */
export function validTopicOf(prefix: string, subject: string): string | undefined {
  const topic = topicOf(prefix, subject);
  return topic === undefined || topicError(topic) !== undefined ? undefined : topic;
}

function poison(reason: PoisonReason, detail: string): { ok: false; reason: PoisonReason; detail: string } {
  const storable = detail.slice(0, DETAIL_LENGTH_MAX).toWellFormed().replaceAll('\0', '\ufffd');
  return { ok: false, reason, detail: storable };
}
