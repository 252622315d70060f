/**
 * A line of a log as an event.
 *
 *   event_id   <name>:<line>:<digest>, the same whenever the same file is shipped
 *   timestamp  the date at the beginning of the line, when it is a whole ISO date (without a zone: UTC), otherwise
 *              the time the file was last changed
 *   payload    file, line, message; "encoding": "replaced" when bytes were not UTF-8 or NUL and became U+FFFD;
 *              "truncated_bytes" when the line was longer than what is kept
 */
import { isUtf8 } from 'node:buffer';
import { canonicalTimestamp } from '#contracts';
import type { OutgoingEvent } from '../producer.js';
import type { Line } from './line-splitter.js';

/** What all lines of a file share. */
export interface LineOrigin {
  /** The file's base name, or the name that the user gave; part of every id. */
  readonly name: string;
  readonly topic: string;
  readonly source: string;
  /** When the file was last changed, for lines that do not begin with a date. */
  readonly modified: Date;
}

const DIGEST_LENGTH = 16;
const NAME_LENGTH_MAX = 200;
const TOPIC_TOKEN_LENGTH_MAX = 64;
const ISO_START =
  /^[[(]?(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2}:\d{2})(?:[.,](\d{1,9}))?(Z|[+-]\d{2}:?\d{2})?(?!\d)/;
const DATE_LENGTH_MAX = 64;
/** A NUL is valid UTF-8, but Postgres cannot hold it. */
const NUL = '\u0000';
const REPLACEMENT = '\ufffd';

/** Creates the event. */
export function lineEvent(line: Line, origin: LineOrigin): OutgoingEvent {
  const decoded = line.bytes.toString('utf8');
  const replaced = !isUtf8(line.bytes) || decoded.includes(NUL);
  const message = replaced ? decoded.replaceAll(NUL, REPLACEMENT) : decoded;
  return {
    topic: origin.topic,
    event_id: `${origin.name}:${line.line}:${line.digest.slice(0, DIGEST_LENGTH)}`,
    timestamp: lineTimestamp(message) ?? origin.modified.toISOString(),
    source: origin.source,
    payload: {
      file: origin.name,
      line: line.line,
      message,
      ...(replaced ? { encoding: 'replaced' } : {}),
      ...(line.truncatedBytes > 0 ? { truncated_bytes: line.truncatedBytes } : {}),
    },
  };
}

/** The instant at the beginning of a line, or `undefined` when it does not begin with a whole ISO date. */
export function lineTimestamp(message: string): string | undefined {
  const match = ISO_START.exec(message.slice(0, DATE_LENGTH_MAX));
  if (!match) return undefined;
  const [, date = '', time = '', fraction, zone = 'Z'] = match;
  return canonicalTimestamp(`${date}T${time}${fraction === undefined ? '' : `.${fraction}`}${zone}`);
}

/** The topic for a file: `logs.` and the file's name as one token, without `.log`. */
export function topicForFile(name: string): string {
  const token = name
    .replace(/\.log$/i, '')
    .replaceAll(/[^A-Za-z0-9_-]+/g, '_')
    .slice(0, TOPIC_TOKEN_LENGTH_MAX);
  return `logs.${token === '' ? 'file' : token}`;
}

/** A file's name that fits an event id: no control characters, no broken characters, bounded. */
export function nameForFile(name: string): string {
  // eslint-disable-next-line no-control-regex -- they are what must not be in an id
  const clean = name.toWellFormed().replaceAll(/[\u0000-\u001f\u007f-\u009f]/g, '_');
  return Array.from(clean).slice(0, NAME_LENGTH_MAX).join('');
}
