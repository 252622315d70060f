/**
 * CloudEvents 1.0 as events.
 *
 *   topic      type, mapped to the alphabet of topics
 *   event_id   source and id, which identify a CloudEvent together; id alone where the key is bound to this source
 *   timestamp  time, else the time of arrival
 *   source     source
 *   payload    the whole CloudEvent in its JSON format, with the characters of its producer
 *
 * The payload is the whole, so that every attribute and extension can be given back as it came. It is read with the
 * rules of this repository and not by the SDK, whose parser loses digits of numbers and microseconds of times.
 */
import {
  canonicalTimestamp,
  givenId,
  payloadError,
  sourceError,
  topicFromName,
  type FieldError,
} from '#contracts';
import { asPublication, type Checked } from '../publish/publish-request.js';
import type { EventCheck } from '../publish/publishing.js';

const SPEC_VERSION = '1.0';
const ATTRIBUTE = /^[a-z0-9]+$/;
const DATA = ['data', 'data_base64'];
const STRINGS = ['datacontenttype', 'dataschema', 'subject'];

type Attributes = Readonly<Record<string, unknown>>;

/**
 * Reads CloudEvents in their JSON format.
 *
 * @param boundSource the only source of the key, `undefined` when it may send several
 * @param nowMs the time of arrival, for CloudEvents without one
 */
export function cloudEventCheck(boundSource: string | undefined, nowMs: () => number = Date.now): EventCheck {
  return ({ start, end, flaw }, text, _index, eventBytesMax) => {
    if (flaw !== undefined) return invalid([flaw]);
    const written = text.slice(start, end);
    let value: unknown;
    try {
      value = JSON.parse(written);
    } catch (error) {
      return invalid([{ field: 'event', message: (error as Error).message }]);
    }
    const unstorable = payloadError(value, written)?.replace(/^payload/, 'a CloudEvent');
    if (unstorable !== undefined) return invalid([{ field: 'event', message: unstorable }]);
    const attributes = value as Attributes;
    const errors = attributeErrors(attributes);
    if (errors.length > 0) return invalid(errors);
    return publicationOf(attributes, written, { boundSource, nowMs, eventBytesMax });
  };
}

interface Reading {
  readonly boundSource: string | undefined;
  readonly nowMs: () => number;
  readonly eventBytesMax: number;
}

function publicationOf(attributes: Attributes, payload: string, reading: Reading): Checked {
  const { id, source, type, time } = attributes as {
    id: string;
    source: string;
    type: string;
    time?: string;
  };
  const given = source === reading.boundSource ? givenId(id) : givenId(source, id);
  const timestamp = canonicalTimestamp(time ?? new Date(reading.nowMs()).toISOString()) ?? '';
  const topic = topicFromName(type);
  const event = { topic, eventId: given?.eventId ?? '', timestamp, source, payload };
  const checked = asPublication(event, reading.eventBytesMax, given?.origin);
  return checked.valid && topic !== type ? { ...checked, topicName: type.slice(0, 256) } : checked;
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

function invalid(errors: readonly FieldError[]): Checked {
  return { valid: false, errors };
}
