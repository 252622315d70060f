/** Checks a line of a request: an event, or a record where the key or the request has defaults for these. */
import { EVENT_FIELDS, type FieldError } from '#contracts';
import { ProblemError } from '../problems/problem-error.js';
import type { Line } from './line-splitter.js';
import { asPublication, checkCandidate, type Checked } from './publish-request.js';
import type { RecordReader } from './record-reader.js';
import { lineFlaw, type RequestBounds } from './request-scan.js';

/**
 * Checks one line. It never throws, because one bad line must not harm another.
 *
 * With defaults, a line is an event when it has the five members of one and no other. Anything else is a record.
 *
 * @param records `undefined` where lines have to be events
 */
export function checkLine(
  { text, index, flaw }: Line,
  bounds: RequestBounds,
  records: RecordReader | undefined,
): Checked {
  const known = flaw ?? lineFlaw(text, bounds, records === undefined);
  if (known !== undefined) return invalid(known);
  try {
    if (records === undefined) return asEvent(text, index, bounds);
    const value = JSON.parse(text) as unknown;
    if (isWholeEvent(value)) return asEvent(text, index, bounds);
    const read = records.read(value, text);
    if ('errors' in read) return { valid: false, errors: read.errors };
    return asPublication(read.event, bounds.eventBytesMax, read.idOrigin);
  } catch (error) {
    const message = error instanceof ProblemError ? error.problem.detail : (error as Error).message;
    return invalid({ field: 'event', message: message ?? 'the line is not JSON' });
  }
}

function asEvent(text: string, index: number, { eventBytesMax }: RequestBounds): Checked {
  return checkCandidate({ start: 0, end: text.length }, text, index, eventBytesMax);
}

function isWholeEvent(value: unknown): boolean {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false;
  const names = Object.keys(value);
  return names.length === EVENT_FIELDS.length && EVENT_FIELDS.every((field) => Object.hasOwn(value, field));
}

function invalid(error: FieldError): Checked {
  return { valid: false, errors: [error] };
}
