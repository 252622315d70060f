/**
 * Turns the bytes of a message into an event, or into the reason why it is not one.
 *
 * Messages of producers that publish directly to NATS are validated here. A message that fails would fail on every
 * worker and at every delivery, so it becomes a dead letter at once.
 */
import { decodeCloudEvent, decodeStructured, type DecodingRules } from './cloud-event-decoder.js';
import {
  eventIdError,
  payloadError,
  type FieldError,
  sourceError,
  timestampError,
  topicError,
  unknownFieldErrors,
} from './event.js';
import { objectSpans } from './json-text.js';
import { ambiguousIdError, undecodable, utf8Text, type Decoded, type RawMessage } from './raw-message.js';
import { eventIdOf, MESSAGE_ID_HEADER, topicOf } from './subject.js';
import { canonicalTimestamp } from './timestamp.js';
import { readWrittenMessage } from './written-event.js';

/**
 * Decodes and validates a message. It never throws.
 *
 * @param prefix the first tokens of every subject, `events`
 * @param eventBytesMax the largest body, in bytes
 */
export function decodeEvent(message: RawMessage, prefix: string, eventBytesMax: number): Decoded {
  if (message.data.length > eventBytesMax) {
    return undecodable('too_large', `${message.data.length} bytes, at most ${eventBytesMax} are allowed`);
  }
  const rules: DecodingRules = { prefix, eventBytesMax };
  const cloudEvent = decodeCloudEvent(message, rules);
  if (cloudEvent !== undefined) return cloudEvent;
  const text = utf8Text(message.data);
  if (text === undefined) return undecodable('not_utf8', 'the body is not UTF-8');
  const written = readWrittenMessage(text, message.subject, prefix);
  if (written !== undefined) return { ok: true, event: written };
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch (error) {
    return undecodable('not_json', error instanceof Error ? error.message : 'the body is not JSON');
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return undecodable('invalid_event', 'the body must be a JSON object');
  }
  // No event of our own form has this member.
  if (Object.hasOwn(body, 'specversion')) return decodeStructured(body, text, message, rules);
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
  const knownId = eventIdError(eventId) === undefined ? (eventId as string) : undefined;
  if (errors.length > 0) {
    const detail = errors.map((error) => `${error.field}: ${error.message}`).join('; ');
    return undecodable('invalid_event', detail, knownId);
  }
  if (topic !== subjectTopic) {
    const detail = `the body says topic ${String(topic)}, the subject ${message.subject}`;
    return undecodable('subject_mismatch', detail, knownId);
  }
  const ambiguous = ambiguousIdError(topic as string, eventId as string, message);
  if (ambiguous !== undefined) return undecodable('invalid_event', ambiguous, knownId);
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
