/**
 * Makes an event of a document.
 *
 *   topic      the index, see index-topic.ts
 *   event_id   `_id`, else the id field of the key, else the hash of topic, source and document
 *   timestamp  `@timestamp`, else the time of arrival
 *   source     `host.name`, `host`, `agent.id`, else that of the key
 *   payload    the document, in the characters of its producer
 *
 * The time of arrival is not part of the hash, so a repeat finds the same id.
 */
import {
  canonicalJson,
  givenId,
  payloadError,
  recordTimestamp,
  RecordIds,
  sourceError,
  type DerivedId,
  type FieldError,
} from '#contracts';
import { asPublication, type Checked } from '../publish/publish-request.js';
import type { RecordFields } from '../publish/record-defaults.js';
import { memberAt, scalarAt } from '../publish/record-reader.js';
import { lineFlaw, type RequestBounds } from '../publish/request-scan.js';
import { topicOfIndex } from './index-topic.js';

const TIME_FIELD = '@timestamp';
const INDEX_LENGTH_MAX = 255;
const NAME_LENGTH_MAX = 256;
/** Where documents say who they are from. Some clients write a path as one name with a dot. */
const SOURCES: readonly (readonly string[])[] = [
  ['host', 'name'],
  ['host.name'],
  ['host'],
  ['agent', 'id'],
  ['agent.id'],
];

/** What an action says of its document. */
export interface DocumentPlace {
  readonly index: string | undefined;
  readonly id: string | undefined;
}

/** Reads the documents of one request. */
export class DocumentReader {
  private readonly ids = new RecordIds();

  /**
   * @param fields of the key and the request, for what documents do not say themselves
   * @param nowMs the time of arrival
   */
  constructor(
    private readonly fields: RecordFields,
    private readonly bounds: RequestBounds,
    private readonly nowMs: () => number = Date.now,
  ) {}

  /** The topic of an index, or what is wrong with it. Without an index it is the one of the key. */
  topicOf(index: string | undefined): string | FieldError {
    if (index === undefined) {
      const message = 'the action names no index, the address does not, and the key has no topic';
      return this.fields.topic ?? { field: '_index', message };
    }
    if (index !== '' && index.length <= INDEX_LENGTH_MAX) return topicOfIndex(index);
    return { field: '_index', message: `an index has 1 to ${INDEX_LENGTH_MAX} characters` };
  }

  /** Makes an event of a document. @param text its own JSON text */
  read(text: string, { index, id }: DocumentPlace): Checked {
    const topic = this.topicOf(index);
    if (typeof topic !== 'string') return invalid(topic);
    const flaw = lineFlaw(text, this.bounds, false);
    if (flaw !== undefined) return invalid(flaw);
    const document = parsed(text);
    if (typeof document === 'string') return invalid({ field: 'event', message: document });
    const wrong = payloadError(document.value, text)?.replace(/^payload/, 'a document');
    if (wrong !== undefined) return invalid({ field: 'event', message: wrong });
    const timestamp = this.timestampOf(text);
    if (timestamp === undefined) return invalid(wrongTime(this.fields.timeField ?? TIME_FIELD));
    const source = sourceIn(document.value) ?? this.fields.source;
    const { eventId, origin } = this.idOf(id, text, topic, source);
    const event = { topic, eventId, timestamp, source, payload: text };
    const checked = asPublication(event, this.bounds.eventBytesMax, origin);
    const isMapped = index !== undefined && topic !== index;
    return checked.valid && isMapped ? { ...checked, topicName: index.slice(0, NAME_LENGTH_MAX) } : checked;
  }

  private idOf(id: string | undefined, text: string, topic: string, source: string): DerivedId {
    const { idField } = this.fields;
    const written = id ?? (idField === undefined ? undefined : scalarAt(text, idField));
    return givenId(written ?? '') ?? this.ids.next([topic, source, canonicalJson(text)]);
  }

  private timestampOf(text: string): string | undefined {
    const field = this.fields.timeField ?? TIME_FIELD;
    const raw = memberAt(text, field);
    if (raw === undefined || raw === 'null') return recordTimestamp(new Date(this.nowMs()).toISOString());
    const written = scalarAt(text, field) ?? '';
    return recordTimestamp(written) ?? recordTimestamp(withZone(written));
  }
}

/** A time without a zone is one in UTC, as in Elasticsearch. */
function withZone(written: string): string {
  return /^\d{4}-\d{2}-\d{2}$/.test(written) ? `${written}T00:00:00Z` : `${written}Z`;
}

/** The value of a document, or why it has none. */
function parsed(text: string): { readonly value: unknown } | string {
  try {
    return { value: JSON.parse(text) as unknown };
  } catch (error) {
    return (error as Error).message;
  }
}

function sourceIn(document: unknown): string | undefined {
  for (const path of SOURCES) {
    const value = path.reduce<unknown>(
      (inner, name) => (inner as Record<string, unknown> | null | undefined)?.[name],
      document,
    );
    if (typeof value === 'string' && sourceError(value) === undefined) return value;
  }
  return undefined;
}

function wrongTime(field: string): FieldError {
  const message = `${field.slice(0, 64)} must be an ISO 8601 instant, or seconds, milliseconds, microseconds or nanoseconds since 1970`;
  return { field: field.slice(0, 64), message };
}

function invalid(error: FieldError): Checked {
  return { valid: false, errors: [error] };
}
