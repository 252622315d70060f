/**
 * Makes an event of a record: a JSON object of any form, from a client that can send only its own.
 *
 *   record ─▶ payload, whole and unchanged
 *     ├─ topic, source: given with the key or the request
 *     ├─ event_id: the id field of the record, else the hash of source and record (identity.ts)
 *     └─ timestamp: the time field of the record, else the time of arrival
 *
 * The time of arrival is not part of the hash, so a repeat finds the same id.
 */
import {
  canonicalJson,
  canonicalTimestamp,
  givenId,
  objectSpans,
  payloadError,
  recordTimestamp,
  RecordIds,
  type FieldError,
  type IdOrigin,
  type SekaliEvent,
} from '#contracts';

/** What a record does not say itself. */
export interface RecordDefaults {
  readonly topic: string;
  readonly source: string;
  /** The name of the member with the id, or a JSON Pointer (RFC 6901) to it; `undefined` when records have none. */
  readonly idField: string | undefined;
  /** The same for the time. */
  readonly timeField: string | undefined;
}

/** An event, or what is wrong with its record. */
export type ReadRecord =
  { readonly event: SekaliEvent; readonly idOrigin: IdOrigin } | { readonly errors: readonly FieldError[] };

/** Reads the records of one request. */
export class RecordReader {
  private readonly ids = new RecordIds();

  /** @param nowMs the time of arrival */
  constructor(
    private readonly defaults: RecordDefaults,
    private readonly nowMs: () => number = Date.now,
  ) {}

  /**
   * Makes an event of the next record.
   *
   * @param value the parsed record
   * @param text its own JSON text
   */
  read(value: unknown, text: string): ReadRecord {
    const payloadProblem = payloadError(value, text)?.replace(/^payload/, 'a record');
    if (payloadProblem !== undefined) return { errors: [{ field: 'event', message: payloadProblem }] };
    const { topic, source, idField, timeField } = this.defaults;
    const timestamp = this.timestampOf(text, timeField);
    if (timestamp === undefined) return { errors: [wrongTime(timeField ?? '')] };
    const written = idField === undefined ? undefined : scalarAt(text, idField);
    const id = givenId(written ?? '') ?? this.ids.next([source, canonicalJson(text)]);
    return { event: { topic, eventId: id.eventId, timestamp, source, payload: text }, idOrigin: id.origin };
  }

  private timestampOf(text: string, field: string | undefined): string | undefined {
    const raw = field === undefined ? undefined : memberAt(text, field);
    if (raw === undefined || raw === 'null') return canonicalTimestamp(new Date(this.nowMs()).toISOString());
    return recordTimestamp(scalarOf(raw) ?? '');
  }
}

/**
 * The text of a member of a record.
 *
 * @param field the name of the member, or a JSON Pointer (RFC 6901) to it
 * @returns `undefined` when the record has none
 */
export function memberAt(text: string, field: string): string | undefined {
  const names = field.startsWith('/') ? field.slice(1).split('/').map(unescaped) : [field];
  let value: string | undefined = text;
  for (const name of names) {
    if (value?.startsWith('{') !== true) return undefined;
    const span = objectSpans(value).members.get(name);
    value = span && value.slice(span.start, span.end);
  }
  return value;
}

/**
 * The value of a string, or the characters of a number, in a JSON object.
 *
 * @param text of the object
 * @param field the name of a member, or a JSON Pointer to one
 * @returns `undefined` when it is missing, or is anything else
 */
export function scalarAt(text: string, field: string): string | undefined {
  const raw = memberAt(text, field);
  return raw === undefined ? undefined : scalarOf(raw);
}

/** The value of a string, or the characters of a number; `undefined` for anything else. */
function scalarOf(raw: string): string | undefined {
  if (raw.startsWith('"')) return JSON.parse(raw) as string;
  return /^[-\d]/.test(raw) ? raw : undefined;
}

function unescaped(name: string): string {
  return name.replaceAll('~1', '/').replaceAll('~0', '~');
}

function wrongTime(field: string): FieldError {
  const message =
    'the time must be an ISO 8601 instant with a zone, or seconds, milliseconds, microseconds or nanoseconds since 1970';
  return { field: field.slice(0, 64), message };
}
