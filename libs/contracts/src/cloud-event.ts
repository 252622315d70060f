/**
 * CloudEvents 1.0 as events, the same over HTTP and over NATS.
 *
 *   topic      type, mapped to the alphabet of topics
 *   event_id   source and id, which identify a CloudEvent together; id alone where only one source may send
 *   timestamp  time, else the time of arrival
 *   source     source
 *   payload    the whole CloudEvent in its JSON format, with the characters of its producer
 *
 * The payload is the whole, so that every attribute and extension can be given back as it came. It is read with the
 * rules of this repository and not by the SDK, whose parser loses digits of numbers and microseconds of times.
 */
import { bodyMember } from './body-member.js';
import { payloadError, sourceError, type FieldError, type SekaliEvent } from './event.js';
import { givenId, type IdOrigin } from './identity.js';
import { canonicalTimestamp } from './timestamp.js';
import { topicFromName } from './topic-name.js';

const SPEC_VERSION = '1.0';
const ATTRIBUTE = /^[a-z0-9]+$/;
const DATA = ['data', 'data_base64'];
const STRINGS = ['datacontenttype', 'dataschema', 'subject'];

type Attributes = Readonly<Record<string, unknown>>;

/** An event, the type that became its topic, and where its id comes from; or what is wrong with the CloudEvent. */
export type ReadCloudEvent =
  | {
      readonly ok: true;
      readonly event: SekaliEvent;
      readonly type: string;
      readonly idOrigin: IdOrigin | undefined;
    }
  | { readonly ok: false; readonly errors: readonly FieldError[]; readonly eventId?: string };

/**
 * Reads a CloudEvent in its JSON format.
 *
 * @param value the parsed text
 * @param text its own JSON text
 * @param boundSource the only source of the producer, `undefined` where it may have several
 * @param arrivedAtMs the time of arrival, for a CloudEvent without a time
 */
export function readCloudEvent(
  value: unknown,
  text: string,
  boundSource: string | undefined,
  arrivedAtMs: () => number,
): ReadCloudEvent {
  const unstorable = payloadError(value, text)?.replace(/^payload/, 'a CloudEvent');
  if (unstorable !== undefined) return { ok: false, errors: [{ field: 'event', message: unstorable }] };
  const attributes = value as Attributes;
  const errors = attributeErrors(attributes);
  const { id, source, type, time } = attributes as {
    id: string;
    source: string;
    type: string;
    time?: string | null;
  };
  const given =
    isFilled(id) && isFilled(source)
      ? source === boundSource
        ? givenId(id)
        : givenId(source, id)
      : undefined;
  const eventId = given?.eventId ?? '';
  if (errors.length > 0) return { ok: false, errors, ...(given !== undefined && { eventId }) };
  const timestamp = canonicalTimestamp(time ?? new Date(arrivedAtMs()).toISOString()) ?? '';
  const event = { topic: topicFromName(type), eventId, timestamp, source, payload: text };
  return { ok: true, event, type, idOrigin: given?.origin };
}

/**
 * A CloudEvent of the binary mode in its JSON format.
 *
 * Data of a JSON type keeps its characters. Text becomes a string, and anything else `data_base64`.
 *
 * @param attributes names without their prefix, and values as they stand in a header, as UTF-8
 * @param type of the data; `undefined` means JSON
 */
export function structuredText(
  attributes: readonly (readonly [name: string, value: string])[],
  type: string | undefined,
  data: Buffer,
): string {
  const members = attributes.map(
    ([name, value]) => `${JSON.stringify(name)}:${JSON.stringify(headerValue(value))}`,
  );
  if (type !== undefined) members.push(`"datacontenttype":${JSON.stringify(type)}`);
  if (data.length > 0) members.push(bodyMember('data', type, data).text);
  return `{${members.join(',')}}`;
}

/** The value of an attribute in a header: perhaps quoted, and with percent-encoded UTF-8. */
function headerValue(text: string): string {
  const plain = /^"(?:[^"\\]|\\.)*"$/.test(text) ? text.slice(1, -1).replaceAll(/\\(.)/g, '$1') : text;
  try {
    return decodeURIComponent(plain);
  } catch {
    return plain;
  }
}

function attributeErrors(attributes: Attributes): FieldError[] {
  const { specversion, source, time } = attributes;
  const errors: FieldError[] = [];
  const check = (field: string, isRight: boolean, message: string): void => {
    if (!isRight) errors.push({ field: field.slice(0, 64), message });
  };
  check('specversion', specversion === SPEC_VERSION, `specversion must be "${SPEC_VERSION}"`);
  for (const name of ['id', 'source', 'type'])
    check(name, isFilled(attributes[name]), `${name} must be a string that is not empty`);
  if (isFilled(source)) check('source', sourceError(source) === undefined, sourceError(source) ?? '');
  for (const name of STRINGS)
    check(
      name,
      isAbsent(attributes[name]) || isFilled(attributes[name]),
      `${name} must be a string that is not empty`,
    );
  const isTime = isAbsent(time) || (typeof time === 'string' && canonicalTimestamp(time) !== undefined);
  check('time', isTime, 'time must be an instant of RFC 3339');
  const hasBoth = DATA.every((name) => !isAbsent(attributes[name]));
  check('data_base64', !hasBoth, 'a CloudEvent has data or data_base64, and not both');
  const base64 = attributes['data_base64'];
  check('data_base64', isAbsent(base64) || typeof base64 === 'string', 'data_base64 must be a string');
  const wrong = Object.keys(attributes).find((name) => !ATTRIBUTE.test(name) && !DATA.includes(name));
  check(wrong ?? '', wrong === undefined, 'the name of an attribute has only the characters a-z and 0-9');
  return errors;
}

function isFilled(value: unknown): value is string {
  return typeof value === 'string' && value !== '';
}

/** In JSON, an attribute that is null is one that is left out. */
function isAbsent(value: unknown): boolean {
  return value === undefined || value === null;
}
