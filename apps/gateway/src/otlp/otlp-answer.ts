/**
 * Answers in the encoding of the request, as OTLP prescribes.
 *
 *   200   ExportLogsServiceResponse; `partial_success` is set only where records were rejected
 *   else  google.rpc.Status: a code and a message. Clients decide by the status of HTTP, and repeat 429 and 503
 */
import type { IncomingHttpHeaders } from 'node:http';
import type { Problem } from '#contracts';
import type { LogReport } from './log-report.js';

/** The media types of the two encodings. */
export const PROTOBUF_TYPE = 'application/x-protobuf';
export const JSON_TYPE = 'application/json';

/** An answer, or its body. */
export interface OtlpAnswer {
  readonly type: string;
  readonly body: Buffer;
}

/** Codes of gRPC (google/rpc/code.proto) by status of HTTP; 400 stands for other refusals, and 500 for other faults. */
const CODES: ReadonlyMap<number, number> = new Map([
  [400, 3],
  [401, 16],
  [403, 7],
  [404, 5],
  [408, 4],
  [413, 8],
  [429, 8],
  [500, 13],
  [503, 14],
]);

/** The media type of a request, without its parameters. */
export function mediaTypeOf(headers: IncomingHttpHeaders): string {
  return (headers['content-type'] ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
}

/** The answer to a request that was accepted, perhaps in part. @param report `undefined` for one without records */
export function exportAnswer(headers: IncomingHttpHeaders, report: LogReport | undefined): OtlpAnswer {
  const rejected = report?.rejected ?? 0;
  const message = report?.explanation() ?? '';
  if (mediaTypeOf(headers) === PROTOBUF_TYPE) {
    const partial = [...varintField(1, rejected), ...stringField(2, message)];
    const body = rejected === 0 ? [] : delimitedField(1, Buffer.from(partial));
    return { type: PROTOBUF_TYPE, body: Buffer.from(body) };
  }
  // An int64 is a string in JSON.
  const partialSuccess = { rejectedLogRecords: String(rejected), errorMessage: message };
  return inJson(rejected === 0 ? {} : { partialSuccess });
}

/** A refusal as a `Status`, for the filter of problems. */
export function statusAnswer(
  { status, title, detail = title }: Problem,
  headers: IncomingHttpHeaders,
): OtlpAnswer {
  const code = CODES.get(status) ?? CODES.get(status < 500 ? 400 : 500) ?? 0;
  if (mediaTypeOf(headers) !== PROTOBUF_TYPE) return inJson({ code, message: detail });
  return { type: PROTOBUF_TYPE, body: Buffer.from([...varintField(1, code), ...stringField(2, detail)]) };
}

function inJson(value: object): OtlpAnswer {
  return { type: JSON_TYPE, body: Buffer.from(JSON.stringify(value)) };
}

function stringField(field: number, text: string): number[] {
  return delimitedField(field, Buffer.from(text));
}

function delimitedField(field: number, bytes: Buffer): number[] {
  return [...varint(field * 8 + 2), ...varint(bytes.length), ...bytes];
}

function varintField(field: number, value: number): number[] {
  return [...varint(field * 8), ...varint(value)];
}

function varint(value: number): number[] {
  return value < 0x80 ? [value] : [0x80 + (value % 0x80), ...varint(Math.floor(value / 0x80))];
}
