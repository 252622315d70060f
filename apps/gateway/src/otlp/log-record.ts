/** The messages of OTLP logs, as both encodings give them. A text is empty where the client sent no value. */
import type { Span } from '#contracts';
import type { Attribute } from './any-value.js';

/** A resource: the program, host or device that the records come from. */
export interface LogResource {
  readonly attributes: readonly Attribute[];
  /** The number of attributes that were dropped, as digits. */
  readonly droppedAttributes: string;
}

/** A scope: the logger. */
export interface LogScope extends LogResource {
  readonly name: string;
  readonly version: string;
}

/** One record. Times are nanoseconds since 1970, as digits; ids are hex; the body is JSON text. */
export interface LogRecord {
  readonly time: string;
  readonly observedTime: string;
  readonly severityNumber: string;
  readonly severityText: string;
  readonly eventName: string;
  readonly body: string;
  readonly attributes: readonly Attribute[];
  readonly droppedAttributes: string;
  readonly flags: string;
  readonly traceId: string;
  readonly spanId: string;
}

/** A resource or a scope in a request: its place, if it is there, and the address of its schema. */
export interface LogOrigin {
  readonly place: Span | undefined;
  readonly schemaUrl: string;
}

/** A resource or a scope that is not in the request. */
export const NO_ORIGIN: LogOrigin = { place: undefined, schemaUrl: '' };

/** The places of the records that have one scope, at least one. */
export interface ScopeGroup {
  readonly scope: LogOrigin;
  readonly records: readonly Span[];
}

/** The same with their resource. */
export interface LogGroup extends ScopeGroup {
  readonly resource: LogOrigin;
}

/** The places of a request's records. Each `next()` advances the scan, so that other requests can run. */
export type LogScan = Generator<undefined, readonly LogGroup[]>;

/**
 * Reads a request in one of the encodings.
 *
 * First it finds every record without reading it. So what is in a request costs no memory, and a record that is wrong
 * harms no other. Every method may throw `MalformedLogsError`.
 */
export interface LogReader {
  /** @param count called for each record; the caller bounds their number by throwing */
  scan(count: () => void): LogScan;
  resource(place: Span): LogResource;
  scope(place: Span): LogScope;
  record(place: Span): LogRecord;
}
