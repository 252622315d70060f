/**
 * Turns an element of a `POST /publish` into a publishable event, or into the reasons why it is not one.
 *
 * Its text is within bounds (request-scan.ts). It is parsed for its values, and kept for its payload: numbers beyond
 * JavaScript's must reach Postgres as the producer wrote them.
 */
import {
  canonicalTimestamp,
  EVENT_FIELDS,
  eventIdError,
  eventText,
  objectSpans,
  payloadError,
  readWrittenEvent,
  sourceError,
  timestampError,
  topicError,
  type FieldError,
  type IdOrigin,
  type SekaliEvent,
} from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';
import { EventDto } from './event.dto.js';
import type { Candidate } from './request-scan.js';

const WRITTEN_LENGTH_MAX = 1_024;

/** An id that was derived. */
export type HashedOrigin = Exclude<IdOrigin, 'given'>;

/** A candidate that may be published, or what is wrong with it. Valid names are included. */
export type Checked =
  | {
      readonly valid: true;
      readonly topic: string;
      readonly eventId: string;
      readonly body: string;
      /** Where the id comes from, when it is not the event's own. */
      readonly idOrigin?: HashedOrigin;
      /** The name that became the topic, when it is another one. */
      readonly topicName?: string;
    }
  | {
      readonly valid: false;
      readonly topic?: string;
      readonly eventId?: string;
      readonly errors: readonly FieldError[];
    };

/**
 * Checks one event against every rule, and writes it in its published form.
 *
 * @param text of the whole request
 * @param index of the event in it
 * @throws ProblemError 400 when it is not JSON
 */
export function checkCandidate(
  { start, end, flaw }: Candidate,
  text: string,
  index: number,
  eventBytesMax: number,
): Checked {
  if (flaw !== undefined) return { valid: false, errors: [flaw] };
  const written = text.slice(start, end);
  // The parts of most events are known without parsing the payload. For long texts JSON.parse is faster.
  const event = written.length <= WRITTEN_LENGTH_MAX ? readWrittenEvent(written) : undefined;
  if (event !== undefined) return asPublication(event, eventBytesMax);
  const value = parse(written, index);
  if (!isObject(value))
    return { valid: false, errors: [{ field: 'event', message: 'an event must be a JSON object' }] };
  const span = objectSpans(written).members.get('payload');
  const payload = span ? written.slice(span.start, span.end) : '';
  if (!isEvent(value, payload)) return whatIsWrong(value, payload);
  const { topic, event_id: eventId, source } = value;
  const timestamp = canonicalTimestamp(value.timestamp) ?? '';
  return asPublication({ topic, eventId, timestamp, source, payload }, eventBytesMax);
}

/** Writes a valid event in its published form, which must not be larger than `eventBytesMax`. */
export function asPublication(event: SekaliEvent, eventBytesMax: number, idOrigin?: IdOrigin): Checked {
  const { topic, eventId } = event;
  const body = eventText(event);
  const bytes = Buffer.byteLength(body);
  const derived = idOrigin === undefined || idOrigin === 'given' ? {} : { idOrigin };
  if (bytes <= eventBytesMax) return { valid: true, topic, eventId, body, ...derived };
  const message = `the event is ${bytes} bytes of JSON, at most ${eventBytesMax} are allowed`;
  return { valid: false, topic, eventId, errors: [{ field: 'event', message }] };
}

/** An event that breaks no rule. */
interface ValidEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
}

/** Applies the rules of `EventDto` directly. Nearly every event breaks none, so nothing has to be reported. */
function isEvent(value: object, payloadText: string): value is ValidEvent {
  const { topic, event_id, timestamp, source, payload } = value as Record<string, unknown>;
  return (
    topicError(topic) === undefined &&
    eventIdError(event_id) === undefined &&
    timestampError(timestamp) === undefined &&
    sourceError(source) === undefined &&
    payloadError(payload, payloadText) === undefined &&
    Object.keys(value).length === EVENT_FIELDS.length
  );
}

function whatIsWrong(value: Record<string, unknown>, payload: string): Checked {
  const dto = new EventDto(value, payload);
  return {
    valid: false,
    ...(topicError(dto.topic) === undefined ? { topic: dto.topic as string } : {}),
    ...(eventIdError(dto.event_id) === undefined ? { eventId: dto.event_id as string } : {}),
    errors: dto.validate(),
  };
}

/** Whether a `Prefer` header (RFC 7240) asks for lenient handling. */
export function prefersLenient(header: string | readonly string[] | undefined): boolean {
  const preferences = [header ?? []].flat().flatMap((line) => line.split(','));
  return preferences.some((preference) => /^\s*handling\s*=\s*"?lenient"?\s*(;|$)/i.test(preference));
}

function parse(text: string, index: number): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'it is not JSON';
    throw new ProblemError(problem('malformed-json', 400, `The event at index ${index}: ${detail}`));
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
