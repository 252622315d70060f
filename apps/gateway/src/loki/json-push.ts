/**
 * Reads a push in JSON, entry by entry, and holds no more than one of them in addition to the bytes.
 *
 *   {"streams": [{"stream": {"app": "web"}, "values": [["<nanoseconds>", "<line>", {"<name>": "<value>"}], …]}, …]}
 *
 * `JSON.parse` would make a tree of everything first: 16 MB of brackets take half a gigabyte. It is applied to single
 * strings here. Members of other names are passed over.
 */
import { storedText } from '../publish/stored-text.js';
import { JsonCursor } from './json-cursor.js';
import { labelsFlaw, malformedPush, type LokiEntry, type LokiPairs, type LokiStream } from './push.js';

const NO_PAIRS: LokiPairs = new Map();

/** Reads the entries of a push. @throws ProblemError 400, from `next()`, where it is not such JSON */
export function* jsonEntries(bytes: Buffer): Generator<LokiEntry, undefined> {
  const cursor = new JsonCursor(bytes);
  for (const name of cursor.members()) {
    if (name !== 'streams') cursor.skipValue();
    else for (const element of cursor.elements()) yield* streamEntries(element);
  }
  cursor.requireEnd();
}

function* streamEntries(cursor: JsonCursor): Generator<LokiEntry, undefined> {
  let labels: LokiPairs | undefined;
  const valuesAt: number[] = [];
  for (const name of cursor.members()) {
    if (name === 'stream') {
      labels = pairs(cursor);
      continue;
    }
    if (name === 'values') valuesAt.push(cursor.position);
    cursor.skipValue();
  }
  if (labels === undefined) throw malformedPush('a stream has no "stream" with its labels');
  const behind = cursor.position;
  // The labels may stand behind the values.
  const stream = { labels, flaw: labelsFlaw(labels) };
  for (const position of valuesAt.slice(-1)) {
    cursor.moveTo(position);
    for (const element of cursor.elements()) yield entry(element, stream);
  }
  cursor.moveTo(behind);
}

function entry(cursor: JsonCursor, stream: LokiStream): LokiEntry {
  let [nanoseconds, line, metadata] = ['', '', NO_PAIRS];
  let count = 0;
  for (const element of cursor.elements()) {
    if (count === 0) nanoseconds = element.scalar();
    else if (count === 1) line = jsonOf(element.string());
    else if (count === 2) metadata = pairs(element);
    else element.skipValue();
    count += 1;
  }
  if (count < 2) throw malformedPush('a value has no time or no line');
  return { stream, nanoseconds, line, metadata };
}

/** Clients write values that are not strings, too. Their characters are kept. */
function pairs(cursor: JsonCursor): LokiPairs {
  const read = new Map<string, string>();
  for (const name of cursor.members()) {
    const isNull = !cursor.isString;
    const value = cursor.scalar();
    if (!isNull || value !== 'null') read.set(name.toWellFormed(), jsonOf(value));
  }
  return read;
}

/** Half of a surrogate pair becomes U+FFFD, as in Loki itself. */
function jsonOf(text: string): string {
  return text.includes('\0') ? storedText(Buffer.from(text)) : JSON.stringify(text.toWellFormed());
}
