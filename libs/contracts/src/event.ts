/**
 * The event: its form on the wire, its form inside, and the rules for valid events.
 *
 * One set of rules serves both doors. The gateway turns a broken rule into a `422`, the worker into a dead letter. If
 * the rules differed, one of them could accept an event that the other refuses.
 */
import {
  EVENT_ID_LENGTH_MAX,
  EXPONENTS_SUM_MAX,
  NUMBER_EXPONENT_MAX,
  NUMBER_LENGTH_MAX,
  PAYLOAD_DEPTH_MAX,
  SOURCE_LENGTH_MAX,
  TOPIC_TOKEN_LENGTH_MAX,
  TOPIC_TOKENS_MAX,
} from './limits.js';
import { hasUnstorableCharacter, hasUnstorableNumber, nestingDepth } from './json-text.js';
import { canonicalTimestamp } from './timestamp.js';

/** The names of an event's five members, in the order in which we write them. */
export const EVENT_FIELDS = ['topic', 'event_id', 'timestamp', 'source', 'payload'] as const;

/** One of the five members of an event. */
export type EventField = (typeof EVENT_FIELDS)[number];

/** A valid event. `payload` is the producer's own JSON text of an object; `timestamp` is UTC with microseconds. */
export interface SekaliEvent {
  readonly topic: string;
  readonly eventId: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: string;
}

/** A broken rule: the member it concerns, and one sentence that says what to do. */
export interface FieldError {
  readonly field: string;
  readonly message: string;
}

const TOPIC = new RegExp(
  `^[A-Za-z0-9_-]{1,${TOPIC_TOKEN_LENGTH_MAX}}(\\.[A-Za-z0-9_-]{1,${TOPIC_TOKEN_LENGTH_MAX}}){0,${TOPIC_TOKENS_MAX - 1}}$`,
);
// eslint-disable-next-line no-control-regex -- finding control characters is the purpose
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f-\u009f]/;

/** Says what is wrong with a topic, or `undefined` when nothing is. */
export function topicError(value: unknown): string | undefined {
  if (typeof value === 'string' && TOPIC.test(value)) return undefined;
  return `topic must be 1 to ${TOPIC_TOKENS_MAX} tokens of 1 to ${TOPIC_TOKEN_LENGTH_MAX} characters A-Z a-z 0-9 _ - joined by dots`;
}

/** Says what is wrong with an event id, or `undefined` when nothing is. */
export function eventIdError(value: unknown): string | undefined {
  return nameError('event_id', value, EVENT_ID_LENGTH_MAX);
}

/** Says what is wrong with a source, or `undefined` when nothing is. */
export function sourceError(value: unknown): string | undefined {
  return nameError('source', value, SOURCE_LENGTH_MAX);
}

/** Says what is wrong with a timestamp, or `undefined` when nothing is. */
export function timestampError(value: unknown): string | undefined {
  if (typeof value === 'string' && canonicalTimestamp(value) !== undefined) return undefined;
  return 'timestamp must be an ISO 8601 instant with a zone or Z, for example 2026-11-22T10:00:00.000Z';
}

/**
 * Says what is wrong with a payload, or `undefined` when nothing is.
 *
 * @param value the parsed payload
 * @param text its own JSON text, with numbers and escapes as the producer wrote them
 */
export function payloadError(value: unknown, text: string): string | undefined {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    return 'payload must be a JSON object';
  if (hasUnstorableCharacter(text)) {
    return 'payload must not hold \\u0000 or half of a surrogate pair: Postgres cannot store them';
  }
  // A level takes two characters, so most payloads are too short to be too deep.
  if (text.length > 2 * PAYLOAD_DEPTH_MAX && nestingDepth(text) > PAYLOAD_DEPTH_MAX)
    return `payload must not nest deeper than ${PAYLOAD_DEPTH_MAX} levels`;
  if (hasUnstorableNumber(text)) {
    return `payload must not hold a number longer than ${NUMBER_LENGTH_MAX} characters or with an exponent beyond ${NUMBER_EXPONENT_MAX}, nor exponents that add up to more than ${EXPONENTS_SUM_MAX}`;
  }
  return undefined;
}

/** Says which members of an event are not allowed. None is dropped silently. */
export function unknownFieldErrors(names: Iterable<string>): FieldError[] {
  const known = new Set<string>(EVENT_FIELDS);
  return [...names]
    .filter((name) => !known.has(name))
    .map((name) => ({
      field: name.slice(0, 64),
      message: `unknown member; an event has ${EVENT_FIELDS.join(', ')} (put the rest into payload)`,
    }));
}

/** The event as JSON text, with the payload's characters unchanged. It is the body of the message on the broker. */
export function eventText(event: SekaliEvent): string {
  return `{"topic":${JSON.stringify(event.topic)},"event_id":${JSON.stringify(event.eventId)},"timestamp":${JSON.stringify(event.timestamp)},"source":${JSON.stringify(event.source)},"payload":${event.payload}}`;
}

function nameError(field: string, value: unknown, lengthMax: number): string | undefined {
  const rule = `${field} must be a string of 1 to ${lengthMax} characters without control characters`;
  if (typeof value !== 'string' || value === '') return rule;
  // A code point has at most two UTF-16 units, so counting is needed only between the two bounds.
  if (value.length > lengthMax && (value.length > 2 * lengthMax || Array.from(value).length > lengthMax))
    return rule;
  if (CONTROL_CHARACTER.test(value) || !value.isWellFormed()) return rule;
  return undefined;
}
