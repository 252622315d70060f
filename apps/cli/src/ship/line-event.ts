/**
 * Lines of a log as events.
 *
 *   event_id   <name>:<line>:<digest> of its first line, the same whenever the same file is shipped
 *   timestamp  the time in the line, otherwise the time the file was last changed
 *   payload    file, line, message; and what the line has of time, level, host, program and fields
 *              "original": the line itself, where the message is only a part of it
 *              "lines": how many there are, when the event has several
 *              "encoding": "replaced" when bytes were not UTF-8 or NUL and became U+FFFD
 *              "truncated_bytes" when a line was longer than what is kept
 *
 * A payload without "time" says that the timestamp is the file's.
 */
import { isUtf8 } from 'node:buffer';
import { EVENT_BYTES_MAX } from '#contracts';
import type { OutgoingEvent } from '../producer.js';
import type { RecognisedLine } from './line-formats/recognised-line.js';
import { type ClockRules, instantOf } from './line-formats/wall-clock.js';
import type { Line } from './line-splitter.js';

/** What all lines of a file share. */
export interface LineOrigin {
  /** The file's base name, or the name that the user gave; part of every id. */
  readonly name: string;
  readonly topic: string;
  readonly source: string;
}

/** A line as text. */
export interface TextLine {
  readonly line: Line;
  readonly text: string;
  /** Whether something that is not text was replaced. */
  readonly isReplaced: boolean;
}

const DIGEST_LENGTH = 16;
const NAME_LENGTH_MAX = 200;
const TOPIC_TOKEN_LENGTH_MAX = 64;
/** A NUL is valid UTF-8, but Postgres cannot hold it. */
const NUL = '\u0000';
const REPLACEMENT = '\ufffd';
/** Some programs on Windows begin a file with it. */
const BYTE_ORDER_MARK = '\ufeff';
/** Each character is at most six bytes of JSON, and is at most three times in a payload. */
const SURELY_FITTING_LENGTH = 8_192;
/** Room for topic, id, source and the names of members. */
const ENVELOPE_BYTES = 8_192;

/** Decodes a line. A byte order mark at the beginning of a file is not a part of its text. */
export function textOfLine(line: Line): TextLine {
  const decoded = line.bytes.toString('utf8');
  const isReplaced = !isUtf8(line.bytes) || decoded.includes(NUL);
  const text = isReplaced ? decoded.replaceAll(NUL, REPLACEMENT) : decoded;
  const isMarked = line.line === 1 && text.startsWith(BYTE_ORDER_MARK);
  return { line, text: isMarked ? text.slice(1) : text, isReplaced };
}

/**
 * Creates the event of some lines that belong together.
 *
 * @param lines at least one
 * @param recognised what the first of them is
 */
export function lineEvent(
  lines: readonly TextLine[],
  recognised: RecognisedLine,
  origin: LineOrigin,
  rules: ClockRules,
): OutgoingEvent {
  const [first] = lines as readonly [TextLine, ...TextLine[]];
  const instant = recognised.time && instantOf(recognised.time.clock, rules);
  return {
    topic: origin.topic,
    event_id: `${origin.name}:${first.line.line}:${first.line.digest.slice(0, DIGEST_LENGTH)}`,
    timestamp: instant ?? rules.modified.toISOString(),
    source: origin.source,
    payload: payloadOf(lines, recognised, origin.name, instant !== undefined),
  };
}

/** Whether the time of an event is that of its line. */
export function isDated(event: OutgoingEvent): boolean {
  return 'time' in event.payload;
}

function payloadOf(
  lines: readonly TextLine[],
  recognised: RecognisedLine,
  file: string,
  hasTime: boolean,
): OutgoingEvent['payload'] {
  const [first] = lines as readonly [TextLine, ...TextLine[]];
  const following = lines.length === 1 ? '' : textBehindFirst(lines);
  const original = first.text + following;
  const message = recognised.message + following;
  const payload: Record<string, unknown> = { file, line: first.line.line, message };
  addRemarks(payload, lines);
  const { time, level, host, program, fields } = recognised;
  if (hasTime) payload['time'] = time?.text;
  const plain = original.length <= SURELY_FITTING_LENGTH ? undefined : { ...payload, message: original };
  if (level !== undefined) payload['level'] = level;
  if (host !== undefined) payload['host'] = host;
  if (program !== undefined) payload['program'] = program;
  if (fields !== undefined) payload['fields'] = fields;
  if (recognised.message !== first.text) payload['original'] = original;
  return plain && !fits(payload) ? plain : payload;
}

function addRemarks(payload: Record<string, unknown>, lines: readonly TextLine[]): void {
  if (lines.length > 1) payload['lines'] = lines.length;
  let isReplaced = false;
  let truncatedBytes = 0;
  for (const line of lines) {
    isReplaced ||= line.isReplaced;
    truncatedBytes += line.line.truncatedBytes;
  }
  if (isReplaced) payload['encoding'] = 'replaced';
  if (truncatedBytes > 0) payload['truncated_bytes'] = truncatedBytes;
}

function textBehindFirst(lines: readonly TextLine[]): string {
  return lines.slice(1).reduce((text, line) => `${text}\n${line.text}`, '');
}

function fits(payload: unknown): boolean {
  return Buffer.byteLength(JSON.stringify(payload)) <= EVENT_BYTES_MAX - ENVELOPE_BYTES;
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
