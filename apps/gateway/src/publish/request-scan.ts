/**
 * Finds the events in the text of a `POST /publish`, and violations of bounds, before any parsing.
 *
 *   text ─▶ form (one event, array, {"events": […]}) ─▶ each element: where it ends, how deep, how many names
 *
 * The scan creates one small record per element, at most as many as a request may contain. The elements are parsed one
 * by one afterwards, so the cost of a request does not depend on its content. The scan pauses regularly, so that its
 * caller can let other requests run.
 */
import { EVENT_NAMES_MAX, isSpace, PAYLOAD_DEPTH_MAX, ValueScan, type FieldError } from '#contracts';
import { problem, ProblemError } from '../problems/problem-error.js';

/** One element of a request: the position of its text, and why it must not be parsed. */
export interface Candidate {
  readonly start: number;
  readonly end: number;
  readonly flaw?: FieldError;
}

/** The bounds of a request. */
export interface RequestBounds {
  readonly eventsMax: number;
  readonly eventBytesMax: number;
}

/** Bytes of a line that is read at all. A longer one is certainly beyond the bound of an event. */
export function lineBytesMax({ eventBytesMax }: RequestBounds): number {
  return eventBytesMax + CHARS_OUTSIDE_PAYLOAD_MAX;
}

/** A running scan. Each `next()` advances it, and the last one returns the result. */
export type RequestScan = Generator<undefined, readonly Candidate[]>;

/** Characters that are scanned between two pauses, which takes about a millisecond. */
const CHARS_AT_ONCE = 262_144;
/** Characters of an event's four short members, names and some white space. The rest is its payload. */
const CHARS_OUTSIDE_PAYLOAD_MAX = 16_384;
/** The event itself counts as one level. */
const DEPTH_MAX = PAYLOAD_DEPTH_MAX + 1;

const FORMS = 'Send one event, an array of events, or {"events": [...]}.';
const EVENTS = 'events';
const SCALAR_LENGTH_MAX = 1_000;
const SCALAR_BEGINS = /^["\d\-tfn]/;

/**
 * Scans a request.
 *
 * @returns the elements in the order sent, at least one
 * @throws ProblemError, from `next()`. Its status is 400 when the brackets and commas are not those of JSON. It is
 *   422 when the request is empty or has none of the three forms, and 413 when it has more than `eventsMax` events
 */
export function* scanRequest(text: string, bounds: RequestBounds): RequestScan {
  const start = yield* afterSpace(text, 0);
  const first = text.charAt(start);
  if (first === '[') return yield* scanArray(text, start, true, bounds);
  if (first !== '{') throw neither(text, first);
  const array = yield* eventsArray(text, start);
  if (array !== undefined) return yield* scanEvents(text, array, bounds);
  const scan = new ValueScan(text);
  yield* scanValue(scan, start);
  if (scan.isCut) throw malformed('The JSON ends before it is complete.');
  yield* requireEnd(text, scan.end);
  return [candidate(scan, start, bounds)];
}

/**
 * Scans a text that has to be one value, such as a line. It is short, so the scan does not pause.
 *
 * @param isEvent whether the bound of an event's members holds. A record may have any number of members
 * @returns why it must not be parsed; `undefined` when it may
 */
export function lineFlaw(
  text: string,
  { eventBytesMax }: RequestBounds,
  isEvent: boolean,
): FieldError | undefined {
  const scan = new ValueScan(text);
  scan.begin(0);
  scan.advance(Number.POSITIVE_INFINITY);
  const message =
    flawOf(text.length, scan.depth, isEvent ? scan.names : 0, eventBytesMax) ??
    (scan.isCut ? 'the JSON ends before it is complete' : undefined) ??
    (scan.end < text.length ? 'a line must hold one JSON object and nothing else' : undefined);
  return message === undefined ? undefined : { field: 'event', message };
}

/**
 * The refusal of a text that is neither an object nor an array, and perhaps not JSON. A long one is judged by its
 * beginning.
 */
function neither(text: string, first: string): ProblemError {
  if (text.length > SCALAR_LENGTH_MAX)
    return SCALAR_BEGINS.test(first) ? refusedForm(FORMS) : malformed('The body is not JSON.');
  try {
    JSON.parse(text);
    return refusedForm(FORMS);
  } catch (error) {
    return malformed(error instanceof Error ? error.message : 'The body is not JSON.');
  }
}

/** The start of the array in `{"events": […`; `undefined` when the object starts otherwise. */
function* eventsArray(text: string, start: number): Generator<undefined, number | undefined> {
  const nameAt = yield* afterSpace(text, start + 1);
  const nameEnd = text.indexOf('"', nameAt + 1);
  // With escapes, each of its six letters may take six characters.
  if (text.charAt(nameAt) !== '"' || nameEnd === -1 || nameEnd - nameAt > 6 * EVENTS.length + 1)
    return undefined;
  if (!isEventsName(text.slice(nameAt, nameEnd + 1))) return undefined;
  const colonAt = yield* afterSpace(text, nameEnd + 1);
  const valueAt = yield* afterSpace(text, colonAt + 1);
  return text.charAt(colonAt) === ':' && text.charAt(valueAt) === '[' ? valueAt : undefined;
}

function isEventsName(written: string): boolean {
  try {
    return JSON.parse(written) === EVENTS;
  } catch {
    return false;
  }
}

function* scanEvents(text: string, array: number, bounds: RequestBounds): RequestScan {
  const found = yield* scanArray(text, array, false, bounds);
  // Behind the last element there is only the bracket that ends the array.
  const bracket = yield* afterSpace(text, found.at(-1)?.end ?? 0);
  const behind = yield* afterSpace(text, bracket + 1);
  if (text.charAt(behind) === ',')
    throw refusedForm(`An object with "events" must have no other member. ${FORMS}`);
  if (text.charAt(behind) !== '}') throw malformed(`Expected } at position ${behind}.`);
  yield* requireEnd(text, behind + 1);
  return found;
}

/** @param isAll whether the text has to end with the array */
function* scanArray(
  text: string,
  array: number,
  isAll: boolean,
  { eventsMax, eventBytesMax }: RequestBounds,
): RequestScan {
  const scan = new ValueScan(text);
  const found: Candidate[] = [];
  let at = yield* afterSpace(text, array + 1);
  if (text.charAt(at) === ']') throw refusedForm(`The batch is empty. ${FORMS}`);
  let pauseAt = at + CHARS_AT_ONCE;
  for (;;) {
    if (found.length === eventsMax) throw tooMany(eventsMax);
    scan.begin(at);
    // Only long values get their own generator, because there may be ten thousand short ones.
    if (!scan.advance(CHARS_AT_ONCE)) yield* scanValue(scan);
    if (scan.isCut) throw malformed(`The JSON ends within the event at index ${found.length}.`);
    found.push(candidate(scan, at, { eventsMax, eventBytesMax }));
    at = yield* afterSpace(text, scan.end);
    const separator = text.charAt(at);
    if (separator === ']') break;
    if (separator !== ',')
      throw malformed(`Expected , or ] at position ${at}, behind the event at index ${found.length - 1}.`);
    at = yield* afterSpace(text, at + 1);
    if (at > pauseAt) {
      pauseAt = at + CHARS_AT_ONCE;
      yield;
    }
  }
  if (isAll) yield* requireEnd(text, at + 1);
  return found;
}

function* scanValue(scan: ValueScan, from?: number): Generator<undefined, void> {
  if (from !== undefined) scan.begin(from);
  while (!scan.advance(CHARS_AT_ONCE)) yield;
}

function* afterSpace(text: string, from: number): Generator<undefined, number> {
  let at = from;
  for (let pauseAt = from + CHARS_AT_ONCE; isSpace(text.charCodeAt(at)); at++) {
    if (at < pauseAt) continue;
    pauseAt += CHARS_AT_ONCE;
    yield;
  }
  return at;
}

function candidate(scan: ValueScan, start: number, { eventBytesMax }: RequestBounds): Candidate {
  const { end, depth, names } = scan;
  const message = flawOf(end - start, depth, names, eventBytesMax);
  return message === undefined ? { start, end } : { start, end, flaw: { field: 'event', message } };
}

function flawOf(chars: number, depth: number, names: number, eventBytesMax: number): string | undefined {
  if (chars > eventBytesMax + CHARS_OUTSIDE_PAYLOAD_MAX)
    return `the event is at least ${chars} bytes of JSON, at most ${eventBytesMax} are allowed`;
  if (depth > DEPTH_MAX) return `an event must not nest deeper than ${DEPTH_MAX} levels`;
  if (names > EVENT_NAMES_MAX)
    return `the event has ${names} members; it has topic, event_id, timestamp, source, payload (put the rest into payload)`;
  return undefined;
}

function* requireEnd(text: string, from: number): Generator<undefined, void> {
  const at = yield* afterSpace(text, from);
  if (at < text.length) throw malformed(`Expected the end of the JSON at position ${at}.`);
}

function malformed(detail: string): ProblemError {
  return new ProblemError(problem('malformed-json', 400, detail));
}

function refusedForm(detail: string): ProblemError {
  return new ProblemError(problem('invalid-body', 422, detail));
}

function tooMany(eventsMax: number): ProblemError {
  const detail = `More than ${eventsMax} events; at most ${eventsMax} are taken in one request.`;
  return new ProblemError(problem('too-large', 413, detail));
}
