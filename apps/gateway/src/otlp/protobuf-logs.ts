/**
 * Reads an `ExportLogsServiceRequest` in protobuf.
 *
 * Three ways were considered. Generated code needs a runtime, and creates objects that live only until they are text.
 * Rewriting protobuf as OTLP's JSON would need one reader only, but would parse everything twice. So each encoding has
 * a small reader, and both give the same texts. The numbers of the fields are those of opentelemetry-proto 1.x.
 */
import type { Span } from '#contracts';
import { doubleText, listText, mapText, requireDepth, type Attribute } from './any-value.js';
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
import { WireReader } from './wire-reader.js';

/** Fields that are skipped between two pauses, which takes about a millisecond. */
const FIELDS_AT_ONCE = 20_000;

/** A request in protobuf. */
export class ProtobufLogs implements LogReader {
  private fields = 0;

  constructor(private readonly bytes: Buffer) {}

  *scan(count: () => void): LogScan {
    const groups: LogGroup[] = [];
    const request = this.message({ start: 0, end: this.bytes.length });
    for (let field = request.next(); field !== 0; field = request.next()) {
      if (field === 1) yield* this.resourceLogs(request.span(), count, groups);
      else request.skip();
      if (this.isTimeToPause()) yield;
    }
    return groups;
  }

  resource(place: Span): LogResource {
    const message = this.message(place);
    const attributes: Attribute[] = [];
    let droppedAttributes = '';
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) attributes.push(this.attribute(message.span(), 1));
      else if (field === 2) droppedAttributes = filled(message.integer());
      else message.skip();
    }
    return { attributes, droppedAttributes };
  }

  scope(place: Span): LogScope {
    const message = this.message(place);
    const attributes: Attribute[] = [];
    let [name, version, droppedAttributes] = ['', '', ''];
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) name = message.string();
      else if (field === 2) version = message.string();
      else if (field === 3) attributes.push(this.attribute(message.span(), 1));
      else if (field === 4) droppedAttributes = filled(message.integer());
      else message.skip();
    }
    return { name, version, attributes, droppedAttributes };
  }

  record(place: Span): LogRecord {
    const message = this.message(place);
    const attributes: Attribute[] = [];
    const record = { ...EMPTY_RECORD, attributes };
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 6) attributes.push(this.attribute(message.span(), 1));
      else if (field === 5) record.body = this.value(message.span(), 1);
      else readScalar(message, field, record);
    }
    return record;
  }

  private *resourceLogs(place: Span, count: () => void, groups: LogGroup[]): Generator<undefined, void> {
    const message = this.message(place);
    const scopes: ScopeGroup[] = [];
    let resource: LogOrigin = NO_ORIGIN;
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) resource = { ...resource, place: message.span() };
      else if (field === 2) yield* this.scopeLogs(message.span(), count, scopes);
      else if (field === 3) resource = { ...resource, schemaUrl: message.string() };
      else message.skip();
      if (this.isTimeToPause()) yield;
    }
    groups.push(...scopes.map((group) => ({ ...group, resource })));
  }

  private *scopeLogs(place: Span, count: () => void, scopes: ScopeGroup[]): Generator<undefined, void> {
    const message = this.message(place);
    const records: Span[] = [];
    let scope: LogOrigin = NO_ORIGIN;
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) scope = { ...scope, place: message.span() };
      else if (field === 2) {
        count();
        records.push(message.span());
      } else if (field === 3) scope = { ...scope, schemaUrl: message.string() };
      else message.skip();
      if (this.isTimeToPause()) yield;
    }
    // A request may have millions of scopes without a record.
    if (records.length > 0) scopes.push({ scope, records });
  }

  private attribute(place: Span, depth: number): Attribute {
    const message = this.message(place);
    let [name, value] = ['', 'null'];
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) name = message.string();
      else if (field === 2) value = this.value(message.span(), depth);
      else message.skip();
    }
    return [name, value];
  }

  /** An `AnyValue` as JSON text. Of several values the last one counts, as in every reader of protobuf. */
  private value(place: Span, depth: number): string {
    requireDepth(depth);
    const message = this.message(place);
    let text = 'null';
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) text = JSON.stringify(message.string());
      else if (field === 2) text = String(message.boolean());
      else if (field === 3) text = message.integer();
      else if (field === 4) text = doubleText(message.double());
      else if (field === 5) text = listText(this.all(message.span(), (one) => this.value(one, depth + 1)));
      else if (field === 6) text = mapText(this.all(message.span(), (one) => this.attribute(one, depth + 1)));
      else if (field === 7) text = `"${message.bytesAs('base64')}"`;
      else message.skip();
    }
    return text;
  }

  /** The values of a list or a map: the repeated field 1. */
  private all<T>(place: Span, read: (one: Span) => T): T[] {
    const message = this.message(place);
    const values: T[] = [];
    for (let field = message.next(); field !== 0; field = message.next()) {
      if (field === 1) values.push(read(message.span()));
      else message.skip();
    }
    return values;
  }

  private message(place: Span): WireReader {
    return new WireReader(this.bytes, place);
  }

  private isTimeToPause(): boolean {
    this.fields += 1;
    return this.fields % FIELDS_AT_ONCE === 0;
  }
}

const EMPTY_RECORD = {
  time: '',
  observedTime: '',
  severityNumber: '',
  severityText: '',
  eventName: '',
  body: 'null',
  droppedAttributes: '',
  flags: '',
  traceId: '',
  spanId: '',
};

function readScalar(message: WireReader, field: number, record: typeof EMPTY_RECORD): void {
  if (field === 1) record.time = filled(message.fixed64());
  else if (field === 2) record.severityNumber = filled(message.integer());
  else if (field === 3) record.severityText = message.string();
  else if (field === 7) record.droppedAttributes = filled(message.integer());
  else if (field === 8) record.flags = filled(message.fixed32());
  else if (field === 9) record.traceId = message.bytesAs('hex');
  else if (field === 10) record.spanId = message.bytesAs('hex');
  else if (field === 11) record.observedTime = filled(message.fixed64());
  else if (field === 12) record.eventName = message.string();
  else message.skip();
}

/** In protobuf, a number that is 0 was not set. */
function filled(digits: string): string {
  return digits === '0' ? '' : digits;
}
