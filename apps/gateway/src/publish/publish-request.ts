/**
 * From the text of a `POST /publish` to events that can be published, and reasons why others cannot.
 *
 * The text is parsed to know its values, and kept to take the payloads from: what JavaScript's numbers cannot
 * hold must reach Postgres as the producer wrote it.
 */
import {
  arraySpans,
  canonicalTimestamp,
  EVENT_FIELDS,
  eventIdError,
  eventText,
  objectSpans,
  payloadError,
  sourceError,
  timestampError,
  topicError,
  type FieldError,
} from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';
import { EventDto } from './event.dto.js';

/** One element of a request: its value, and where its text begins. */
export interface Candidate {
  readonly value: unknown;
  readonly start: number;
}

/** A candidate that may be published, or what is wrong with it. Names are given where they are valid. */
export type Checked =
  | { readonly valid: true; readonly topic: string; readonly eventId: string; readonly body: string }
  | {
      readonly valid: false;
      readonly topic?: string;
      readonly eventId?: string;
      readonly errors: readonly FieldError[];
    };

const FORMS = 'Send one event, an array of events, or {"events": [...]}.';

/**
 * Finds the events in a request, in the order sent.
 *
 * @throws ProblemError 400 when the text is not JSON, 422 when it is none of the three forms or empty, 413 when
 *   it has more than `eventsMax` events
 */
export function readCandidates(text: string, eventsMax: number): Candidate[] {
  const value = parse(text);
  const batch = batchOf(value, text);
  if (batch === undefined) return [{ value, start: 0 }];
  if (batch.values.length === 0) {
    throw new ProblemError(problem('invalid-body', 422, `The batch is empty. ${FORMS}`));
  }
  if (batch.values.length > eventsMax) {
    const detail = `${batch.values.length} events, at most ${eventsMax} are taken in one request.`;
    throw new ProblemError(problem('too-large', 413, detail));
  }
  const spans = arraySpans(text, batch.start);
  return batch.values.map((element, index) => ({ value: element, start: spans[index]?.start ?? 0 }));
}

/** Checks one event against every rule, and writes it as it is published. */
export function checkCandidate(candidate: Candidate, text: string, eventBytesMax: number): Checked {
  const { value, start } = candidate;
  if (!isObject(value))
    return { valid: false, errors: [{ field: 'event', message: 'an event must be a JSON object' }] };
  const span = objectSpans(text, start).members.get('payload');
  const payload = span ? text.slice(span.start, span.end) : '';
  if (!isEvent(value, payload)) return whatIsWrong(value, payload);
  const { topic, event_id: eventId, source } = value;
  const event = { topic, eventId, timestamp: canonicalTimestamp(value.timestamp) ?? '', source, payload };
  const body = eventText(event);
  const bytes = Buffer.byteLength(body);
  if (bytes > eventBytesMax) {
    const message = `the event is ${bytes} bytes of JSON, at most ${eventBytesMax} are allowed`;
    return { valid: false, topic, eventId, errors: [{ field: 'event', message }] };
  }
  return { valid: true, topic, eventId, body };
}

/** An event that breaks no rule. */
interface ValidEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
}

/** The rules of `EventDto`, asked directly: nearly every event breaks none, and then nothing has to be reported. */
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

function parse(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    const detail = error instanceof Error ? error.message : 'The body is not JSON.';
    throw new ProblemError(problem('malformed-json', 400, detail));
  }
}

/** The elements of an array or of `{"events": […]}`, and where the array begins; `undefined` for a single event. */
function batchOf(value: unknown, text: string): { values: readonly unknown[]; start: number } | undefined {
  if (Array.isArray(value)) return { values: value, start: 0 };
  if (!isObject(value)) throw new ProblemError(problem('invalid-body', 422, FORMS));
  const events = Object.hasOwn(value, 'events') ? value['events'] : undefined;
  if (!Array.isArray(events)) return undefined;
  const others = Object.keys(value).filter((name) => name !== 'events');
  if (others.length > 0) {
    const detail = `Beside "events" nothing else is allowed: ${others.join(', ').slice(0, 200)}. ${FORMS}`;
    throw new ProblemError(problem('invalid-body', 422, detail));
  }
  return { values: events, start: objectSpans(text).members.get('events')?.start ?? 0 };
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
