/**
 * The formats by name, and `auto`, which tries them.
 *
 * Each line is recognised by itself, never by what the line before was. So a file that is read again, in part or whole,
 * gives the same events.
 */
import { readAccessLine } from './access-log.js';
import { readDate } from './date-formats.js';
import { readBehind, readDatedLine } from './dated-line.js';
import { readJsonRecord } from './json-record.js';
import { readLogfmt } from './logfmt.js';
import type { RecognisedLine, Recogniser } from './recognised-line.js';
import { liftMembers } from './record-members.js';
import { readOrigin, readSyslogLine } from './syslog.js';

/** The names of the formats, as `--format` takes them. */
export const FORMAT_NAMES = ['auto', 'json', 'syslog', 'access', 'logfmt', 'dated', 'plain'] as const;

/** What `--format` may be. */
export type FormatName = (typeof FORMAT_NAMES)[number];

/** By the same names. In `auto` their order decides. */
const RECOGNISERS: Readonly<Record<Exclude<FormatName, 'auto' | 'plain'>, Recogniser>> = {
  json: readJsonRecord,
  syslog: readSyslogLine,
  access: readAccessLine,
  logfmt: (text) => {
    const pairs = readLogfmt(text);
    return pairs && liftMembers(pairs, text);
  },
  dated: readDatedLine,
};

/** No date begins like this. */
const BLANK_OR_SMALL_LETTER = /^[\sa-z]/;

/** Recognises a line. One that has no format is only a message. */
export function recognise(text: string, format: FormatName): RecognisedLine {
  return recogniserOf(format)(text) ?? { message: text };
}

/** The recogniser of a format. */
export function recogniserOf(format: FormatName): Recogniser {
  if (format === 'auto') return readAnyLine;
  return format === 'plain' ? () => undefined : RECOGNISERS[format];
}

function readAnyLine(text: string): RecognisedLine | undefined {
  if (text.startsWith('{')) return RECOGNISERS.json(text);
  const date = readDate(text, 0);
  // The date is read once for both, because most lines begin with one.
  if (date) return readOrigin(text, 0, date) ?? readBehind(text, 0, date);
  return (
    (text.startsWith('<') ? RECOGNISERS.syslog(text) : undefined) ??
    (BLANK_OR_SMALL_LETTER.test(text) ? undefined : RECOGNISERS.dated(text)) ??
    (text.includes('=') ? RECOGNISERS.logfmt(text) : undefined) ??
    (text.includes('[') ? RECOGNISERS.access(text) : undefined)
  );
}
