import { gzipSync } from 'node:zlib';
import { eventIdOfNumber, EVENT_BYTES, EventBody, writeNumber } from './event-body.js';

/** A form of requests: plain JSON, compressed lines, or OTLP logs in protobuf. */
export type RequestForm = 'json' | 'gzip-lines' | 'otlp-protobuf';

/** The body of a connection's requests, one after the other. */
export interface RequestBody {
  readonly headers: Readonly<Record<string, string>>;
  /** Replaces the event at a position by the one with a number. */
  write(position: number, number: number): void;
  /** The bytes to send. They change with the next `write`. */
  readonly bytes: Buffer;
}

/** The path to which a form is sent. */
export function pathOf(form: RequestForm): string {
  return form === 'otlp-protobuf' ? '/v1/logs' : '/publish';
}

/** A body of some events. @param idPrefix first part of every id */
export function requestBody(form: RequestForm, idPrefix: string, events: number): RequestBody {
  if (form === 'otlp-protobuf') return new LogsBody(idPrefix, events);
  return form === 'gzip-lines' ? new PackedLines(idPrefix, events) : new PlainEvents(idPrefix, events);
}

class PlainEvents extends EventBody implements RequestBody {
  readonly headers = { 'content-type': 'application/json' };

  constructor(idPrefix: string, events: number) {
    super(idPrefix, events, events === 1 ? 'object' : 'array');
  }
}

class PackedLines implements RequestBody {
  readonly headers = { 'content-type': 'application/x-ndjson', 'content-encoding': 'gzip' };
  private readonly lines: EventBody;

  constructor(idPrefix: string, events: number) {
    this.lines = new EventBody(idPrefix, events, 'lines');
  }

  /** Compressed at the lowest level, because the load shares the processors with what it measures. */
  get bytes(): Buffer {
    return gzipSync(this.lines.bytes, { level: 1 });
  }

  write(position: number, number: number): void {
    this.lines.write(position, number);
  }
}

/** Bytes of such an event without its id, which it has twice, and without its text. */
const AROUND_TEXT_BYTES = 239;
const NANOSECONDS = 1_795_341_600_000_000_000n;

/** Log records, each of which becomes an event of about the size that the other forms have. */
class LogsBody implements RequestBody {
  readonly headers = { 'content-type': 'application/x-protobuf' };
  readonly bytes: Buffer;
  private readonly recordBytes: number;
  private readonly numberAt: number;

  constructor(idPrefix: string, events: number) {
    const record = field(2, logRecord(idPrefix));
    this.recordBytes = record.length;
    const resource = field(1, attribute(1, 'service.name', 'bench'));
    const scopeLogs = field(2, Buffer.concat(Array<Buffer>(events).fill(record)));
    this.bytes = field(1, Buffer.concat([resource, scopeLogs]));
    const idAt = record.indexOf(`${idPrefix}-`) + idPrefix.length + 1;
    this.numberAt = this.bytes.length - events * record.length + idAt;
  }

  write(position: number, number: number): void {
    writeNumber(this.bytes, this.numberAt + position * this.recordBytes, number);
  }
}

function logRecord(idPrefix: string): Buffer {
  const id = eventIdOfNumber(idPrefix, 0);
  const time = Buffer.alloc(9, 0x09);
  time.writeBigUInt64LE(NANOSECONDS, 1);
  const text = 'x'.repeat(EVENT_BYTES - AROUND_TEXT_BYTES - 2 * id.length);
  return Buffer.concat([time, field(5, field(1, text)), attribute(6, 'log.record.uid', id)]);
}

function attribute(number: number, name: string, value: string): Buffer {
  return field(number, Buffer.concat([field(1, name), field(2, field(1, value))]));
}

/** A field of protobuf with a length. */
function field(number: number, content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  const length: number[] = [];
  let rest = bytes.length;
  for (; rest > 127; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([number * 8 + 2, ...length, rest]), bytes]);
}
