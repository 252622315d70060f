/**
 * Reads a push in protobuf, entry by entry (pkg/push/push.proto of Loki).
 *
 *   PushRequest  1: streams
 *   Stream       1: labels, as text   2: entries
 *   Entry        1: Timestamp {1: seconds, 2: nanos}   2: line   3: structured metadata
 *   LabelPair    1: name   2: value
 *
 * Other fields are passed over: the hash of a stream says nothing that its labels do not say.
 */
import { storedText } from '../publish/stored-text.js';
import { ProtobufError, protobufFields } from './protobuf-fields.js';
import { labelsFlaw, malformedPush, type LokiEntry, type LokiStream } from './push.js';
import { parseLabels } from './stream-labels.js';

const EMPTY = Buffer.alloc(0);

/** Reads the entries of a push. @throws ProblemError 400, from `next()`, where it is not such a message */
export function* protobufEntries(bytes: Buffer): Generator<LokiEntry, undefined> {
  try {
    for (const stream of parts(bytes, 1)) yield* streamEntries(stream);
  } catch (error) {
    throw error instanceof ProtobufError ? malformedPush(error.message) : error;
  }
}

function* streamEntries(message: Buffer): Generator<LokiEntry, undefined> {
  const stream = streamOf(lastPart(message, 1).toString('utf8'));
  for (const entry of parts(message, 2)) yield entryOf(entry, stream);
}

function streamOf(text: string): LokiStream {
  const labels = parseLabels(text);
  if (labels === undefined)
    return { labels: new Map(), flaw: 'the labels of a stream have the form {name="value"}' };
  return { labels, flaw: labelsFlaw(labels) };
}

function entryOf(message: Buffer, stream: LokiStream): LokiEntry {
  const metadata = new Map<string, string>();
  for (const pair of parts(message, 3))
    metadata.set(lastPart(pair, 1).toString('utf8'), storedText(lastPart(pair, 2)));
  const nanoseconds = nanosecondsOf(lastPart(message, 1));
  return { stream, nanoseconds, line: storedText(lastPart(message, 2)), metadata };
}

function nanosecondsOf(timestamp: Buffer): string {
  let [seconds, nanos] = [0n, 0n];
  for (const field of protobufFields(timestamp)) {
    if (!('varint' in field)) continue;
    if (field.number === 1) seconds = BigInt.asIntN(64, field.varint);
    if (field.number === 2) nanos = BigInt.asIntN(64, field.varint);
  }
  return String(seconds * 1_000_000_000n + nanos);
}

function* parts(message: Buffer, number: number): Generator<Buffer, undefined> {
  for (const field of protobufFields(message))
    if (field.number === number && 'bytes' in field) yield field.bytes;
}

/** Of a field that is not repeated, the last one counts. */
function lastPart(message: Buffer, number: number): Buffer {
  let last: Buffer = EMPTY;
  for (const part of parts(message, number)) last = part;
  return last;
}
