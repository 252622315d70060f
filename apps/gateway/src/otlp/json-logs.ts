/**
 * Reads an `ExportLogsServiceRequest` in the JSON encoding of OTLP.
 *
 * It differs from the usual JSON of protobuf: ids are hex and enums are integers. Integers of 64 bits may be strings or
 * numbers, and unknown members are ignored. No number is parsed as one, so none loses a digit.
 */
import { isUtf8 } from 'node:buffer';
import { quotedNumbers, type Span } from '#contracts';
import {
  listText,
  MalformedLogsError,
  mapText,
  requireDepth,
  writtenDoubleText,
  writtenIntegerText,
  type Attribute,
} from './any-value.js';
import { JsonCursor } from './json-cursor.js';
import {
  NO_ORIGIN,
  type LogGroup,
  type LogOrigin,
  type LogReader,
  type LogRecord,
  type LogResource,
  type LogScan,
  type LogScope,
  type ScopeGroup,
} from './log-record.js';

const BYTE_ORDER_MARK = Buffer.from('\uFEFF');
const HEX = /^(?:[0-9a-f]{2})*$/i;
const BASE64 = /^[A-Za-z0-9+/_-]*={0,2}$/;

/** The members of a JSON object. Numbers are strings of their characters. */
type Members = Readonly<Record<string, unknown>>;

/** A request in JSON. */
export class JsonLogs implements LogReader {
  private readonly bytes: Buffer;

  constructor(bytes: Buffer) {
    const hasMark = bytes.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    this.bytes = hasMark ? bytes.subarray(BYTE_ORDER_MARK.length) : bytes;
  }

  *scan(count: () => void): LogScan {
    if (!isUtf8(this.bytes)) throw new MalformedLogsError('The body is not UTF-8.');
    // One character a byte: the characters of JSON's syntax are the same, and places are those of the bytes.
    const cursor = new JsonCursor(this.bytes.toString('latin1'));
    const groups: LogGroup[] = [];
    for (const name of cursor.members()) {
      if (name === 'resourceLogs') yield* cursor.elements(() => this.resourceLogs(cursor, count, groups));
      else yield* cursor.value();
    }
    cursor.requireEnd();
    return groups;
  }

  resource(place: Span): LogResource {
    const { attributes, droppedAttributesCount } = this.members(place);
    return { attributes: attributesOf(attributes, 1), droppedAttributes: filled(droppedAttributesCount) };
  }

  scope(place: Span): LogScope {
    const { name, version } = this.members(place);
    return { name: stringOf(name), version: stringOf(version), ...this.resource(place) };
  }

  record(place: Span): LogRecord {
    const record = this.members(place);
    return {
      time: filled(record['timeUnixNano']),
      observedTime: filled(record['observedTimeUnixNano']),
      severityNumber: filled(record['severityNumber']),
      severityText: stringOf(record['severityText']),
      eventName: stringOf(record['eventName']),
      body: valueText(record['body'], 1),
      attributes: attributesOf(record['attributes'], 1),
      droppedAttributes: filled(record['droppedAttributesCount']),
      flags: filled(record['flags']),
      traceId: hexOf(record['traceId']),
      spanId: hexOf(record['spanId']),
    };
  }

  private *resourceLogs(
    cursor: JsonCursor,
    count: () => void,
    groups: LogGroup[],
  ): Generator<undefined, void> {
    const scopes: ScopeGroup[] = [];
    let resource: LogOrigin = NO_ORIGIN;
    for (const name of cursor.members()) {
      if (name === 'scopeLogs') yield* cursor.elements(() => this.scopeLogs(cursor, count, scopes));
      else resource = this.withMember(resource, name, 'resource', yield* cursor.value());
    }
    groups.push(...scopes.map((group) => ({ ...group, resource })));
  }

  private *scopeLogs(
    cursor: JsonCursor,
    count: () => void,
    scopes: ScopeGroup[],
  ): Generator<undefined, void> {
    const records: Span[] = [];
    let scope: LogOrigin = NO_ORIGIN;
    for (const name of cursor.members()) {
      if (name === 'logRecords')
        yield* cursor.elements(function* () {
          count();
          records.push(yield* cursor.value());
        });
      else scope = this.withMember(scope, name, 'scope', yield* cursor.value());
    }
    // A request may have millions of scopes without a record.
    if (records.length > 0) scopes.push({ scope, records });
  }

  /** An origin with one more member. Members of other names are ignored. */
  private withMember(origin: LogOrigin, name: string, itself: 'resource' | 'scope', place: Span): LogOrigin {
    if (name === itself) return { ...origin, place };
    return name === 'schemaUrl' ? { ...origin, schemaUrl: stringOf(this.parsed(place)) } : origin;
  }

  private members(place: Span): Members {
    return objectOf(this.parsed(place));
  }

  private parsed({ start, end }: Span): unknown {
    try {
      return JSON.parse(quotedNumbers(this.bytes.toString('utf8', start, end)));
    } catch (error) {
      throw new MalformedLogsError((error as Error).message);
    }
  }
}

/** The JSON text of an `AnyValue`. */
function valueText(value: unknown, depth: number): string {
  requireDepth(depth);
  const { stringValue, boolValue, intValue, doubleValue, arrayValue, kvlistValue, bytesValue } =
    objectOf(value);
  if (isGiven(stringValue)) return JSON.stringify(stringOf(stringValue));
  if (isGiven(intValue)) return writtenIntegerText(stringOf(intValue));
  if (isGiven(doubleValue)) return writtenDoubleText(stringOf(doubleValue));
  if (isGiven(boolValue)) return booleanText(boolValue);
  if (isGiven(arrayValue))
    return listText(arrayOf(objectOf(arrayValue)['values']).map((one) => valueText(one, depth + 1)));
  if (isGiven(kvlistValue)) return mapText(attributesOf(objectOf(kvlistValue)['values'], depth + 1));
  return isGiven(bytesValue) ? base64Text(stringOf(bytesValue)) : 'null';
}

function attributesOf(list: unknown, depth: number): Attribute[] {
  return arrayOf(list).map((one) => {
    const { key, value } = objectOf(one);
    return [stringOf(key), valueText(value, depth)];
  });
}

function booleanText(value: unknown): string {
  if (typeof value !== 'boolean') throw new MalformedLogsError('a boolValue must be true or false');
  return String(value);
}

/** Base64 with either alphabet, with or without padding, in its usual form. */
function base64Text(written: string): string {
  if (!BASE64.test(written)) throw new MalformedLogsError('bytes must be base64');
  return `"${Buffer.from(written, 'base64').toString('base64')}"`;
}

function hexOf(value: unknown): string {
  const written = stringOf(value);
  if (!HEX.test(written)) throw new MalformedLogsError('an id of a trace or span must be hex');
  return written.toLowerCase();
}

/** An integer as digits; empty for 0, which is the same as none in protobuf. */
function filled(value: unknown): string {
  const digits = isGiven(value) ? writtenIntegerText(stringOf(value)) : '0';
  return digits === '0' ? '' : digits;
}

/** The characters of a string or a number. */
function stringOf(value: unknown): string {
  if (!isGiven(value)) return '';
  if (typeof value !== 'string') throw new MalformedLogsError('a member must be a string or a number');
  return value;
}

function objectOf(value: unknown): Members {
  if (!isGiven(value)) return {};
  if (typeof value !== 'object' || Array.isArray(value))
    throw new MalformedLogsError('a message must be a JSON object');
  return value as Members;
}

function arrayOf(value: unknown): readonly unknown[] {
  if (!isGiven(value)) return [];
  if (!Array.isArray(value)) throw new MalformedLogsError('a repeated member must be an array');
  return value;
}

/** A member that is null is one that is left out. */
function isGiven<T>(value: T): value is NonNullable<T> {
  return value !== undefined && value !== null;
}
