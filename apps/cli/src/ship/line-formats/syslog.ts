/**
 * Syslog: RFC 5424, and what RFC 3164 describes, with a date of either kind, as rsyslog, syslog-ng and journald write it
 * to files.
 *
 *   <34>1 2026-11-22T10:00:00.123Z host program 42 id [data@1 a="b"] message
 *   <34>Nov 22 10:00:00 host program[42]: message
 *   2026-11-22T10:00:00.123456+07:00 host program[42]: message
 *
 * The last form looks like many that have no host. So it must have a number of the process in brackets, or a fraction
 * of six digits before a zone, as rsyslog writes it.
 */
import { type FoundDate, readDate } from './date-formats.js';
import { levelOf, levelOfSeverity } from './levels.js';
import { fieldsOf, type RecognisedLine } from './recognised-line.js';

const PRIORITY = /<(\d{1,3})>/y;
const HEADER_5424 = /1 (\S{1,64}) (\S{1,255}) (\S{1,48}) (\S{1,128}) (\S{1,32})(?= )/y;
const ELEMENT = /\[([^\s=\]"]{1,32})((?: [^\s=\]"]{1,32}="(?:[^"\\\]]|\\.)*")*)\]/y;
const PARAMETER = / ([^\s=\]"]+)="((?:[^"\\\]]|\\.)*)"/g;
const ORIGIN =
  / ([^\s[\]]{0,254}[^\s:[\]]) (?:([^\s:[\]]{1,128})(?:\[([\w.-]{1,32})\])?(?: \([^()]{0,128}\))?: ?)?/y;
const BSD_DATE = /^[A-Z][a-z]{2} {1,2}\d{1,2} /;
/** Only dates of ISO 8601 have it behind four digits. */
const HYPHEN = 0x2d;
const BSD_DATE_LENGTH = 8;
const RSYSLOG_DATE = /\.\d{6}(?:Z|[+-]\d{2}:\d{2})$/;
const PRIORITY_MAX = 191;
const BOM = '\ufeff';

/** Reads the line, or returns `undefined` when it has another form. */
export function readSyslogLine(text: string): RecognisedLine | undefined {
  PRIORITY.lastIndex = 0;
  const [opening = '', digits] = PRIORITY.exec(text) ?? [];
  const priority = digits === undefined ? undefined : Number(digits);
  if (priority !== undefined && priority > PRIORITY_MAX) return undefined;
  const line =
    (priority === undefined ? undefined : read5424(text, opening.length)) ?? read3164(text, opening.length);
  if (!line || priority === undefined) return line;
  const fields = { facility: String(Math.floor(priority / 8)), ...line.fields };
  return { ...line, level: levelOfSeverity(priority % 8), fields };
}

function read5424(text: string, position: number): RecognisedLine | undefined {
  HEADER_5424.lastIndex = position;
  const [header, written = '', host, program, processId, messageId] = HEADER_5424.exec(text) ?? [];
  if (header === undefined) return undefined;
  const date = written === '-' ? undefined : readDate(written, 0);
  if (written !== '-' && date?.end !== written.length) return undefined;
  const data = readStructuredData(text, position + header.length + 1);
  if (!data) return undefined;
  const rest = text.slice(data.end).replace(/^ /, '');
  return {
    time: date && { text: written, clock: date.clock },
    host: given(host),
    program: given(program),
    message: rest.startsWith(BOM) ? rest.slice(1) : rest,
    fields: { ...fieldsOf({ pid: given(processId), message_id: given(messageId) }), ...data.fields },
  };
}

function readStructuredData(
  text: string,
  position: number,
): { readonly fields: Record<string, unknown>; readonly end: number } | undefined {
  if (text.charAt(position) === '-') return { fields: {}, end: position + 1 };
  const elements: [string, unknown][] = [];
  let end = position;
  for (;;) {
    ELEMENT.lastIndex = end;
    const [whole, id = '', parameters = ''] = ELEMENT.exec(text) ?? [];
    if (whole === undefined) break;
    const pairs = [...parameters.matchAll(PARAMETER)].map(([, name = '', value = '']): [string, string] => [
      name,
      value.replaceAll(/\\(["\\\]])/g, '$1'),
    ]);
    elements.push([id, Object.fromEntries(pairs)]);
    end += whole.length;
  }
  if (elements.length === 0) return undefined;
  return { fields: { structured_data: Object.fromEntries(elements) }, end };
}

function read3164(text: string, position: number): RecognisedLine | undefined {
  const date = readDate(text, position);
  return date && readOrigin(text, position, date);
}

/**
 * Reads a line without a priority, or what follows one, whose date is known.
 *
 * @param position where the date begins
 */
export function readOrigin(text: string, position: number, date: FoundDate): RecognisedLine | undefined {
  const hasPriority = position > 0;
  const isBsd = BSD_DATE.test(text.slice(position, position + BSD_DATE_LENGTH));
  if (!hasPriority && !isBsd && text.charCodeAt(4) !== HYPHEN) return undefined;
  ORIGIN.lastIndex = date.end;
  const match = ORIGIN.exec(text);
  if (!match) return undefined;
  const [origin, host, program, pid] = match;
  const written = text.slice(position, date.end);
  if (!hasPriority && !isBsd) {
    const isSure = program !== undefined && (pid !== undefined || RSYSLOG_DATE.test(written));
    if (!isSure || levelOf(host ?? '') !== undefined) return undefined;
  }
  return {
    time: { text: written, clock: date.clock },
    host,
    program,
    message: text.slice(date.end + origin.length),
    fields: pid === undefined ? undefined : { pid },
  };
}

function given(value: string | undefined): string | undefined {
  return value === '-' ? undefined : value;
}
