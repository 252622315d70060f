/**
 * A line that begins with a date, as loggers of programs write it: what stands before the date, and what stands between
 * it and the message.
 *
 * Both are tables. The first layout that matches counts; a line that none matches is a date and a message.
 */
import { type FoundDate, readDate } from './date-formats.js';
import { levelOf, levelOfLetter } from './levels.js';
import { readLogfmt } from './logfmt.js';
import { fieldsOf, type RecognisedLine } from './recognised-line.js';
import { liftMembers } from './record-members.js';

/** What may stand before the date. Its groups belong to the line. */
const BEFORE: readonly RegExp[] = [
  // [2026-11-22 10:00:00] or (2026-11-22 10:00:00)
  /[[(]/y,
  // Ruby: I, [2026-11-22T10:00:00.123456 #42]
  /(?<letter>[A-Z]), \[/y,
  // Redis: 42:M 22 Nov 2026 10:00:00.123
  /(?<pid>\d{1,10}):[A-Z] /y,
];

/** Google's loggers: I1122 10:00:00.123456 42 file.go:12] message. The letter is the level. */
const GLOG = /^([IWEF])(\d{2})(\d{2}) (\d{2}):(\d{2}):(\d{2})\.(\d{1,9}) +(\d{1,10}) ([^\s\]]{1,128})\] /;

/** `I1122 10:00:00.` */
const GLOG_TIME_LENGTH = 15;

/** What may stand between date and message. */
interface Layout {
  /** The logger that writes it so. */
  readonly name: string;
  /** The kind of its first character that is not a blank, as `kindOf` names it; any when left out. */
  readonly begins?: string;
  readonly pattern: RegExp;
  /** What the groups of the pattern are. */
  readonly groups: readonly string[];
  /** Whether the line has no level. */
  readonly isLevelless?: boolean;
}

const LAYOUTS: readonly Layout[] = [
  {
    name: 'log4j of ZooKeeper',
    begins: '-',
    pattern: /^ - ([A-Z]+) +\[(.{0,300}?):([^:@\]\s]{1,128})@(\d{1,9})\] - /,
    groups: ['level', 'thread', 'program', 'line'],
  },
  {
    name: 'Python',
    begins: '-',
    pattern: /^ - (\S{1,128}) - ([A-Za-z]+) - /,
    groups: ['program', 'level'],
  },
  {
    name: 'HDFS',
    begins: '0',
    pattern: /^ (\d{1,10}) ([A-Z]+) (\S{1,256}): /,
    groups: ['pid', 'level', 'program'],
  },
  {
    name: 'Spring Boot',
    begins: 'A',
    pattern: /^ +([A-Z]+) (\d{1,10}) --- (?:\[[^\]]{0,128}\] ?){0,2}\[ *([^\]]{0,128})\] (\S{1,256}) *: /,
    groups: ['level', 'pid', 'thread', 'program'],
  },
  {
    name: 'logback',
    begins: '[',
    pattern: /^ \[([^\]]{0,256})\] ([A-Z]+) +([^\s[\]]{1,256}) +- /,
    groups: ['thread', 'level', 'program'],
  },
  {
    name: 'log4j',
    begins: 'A',
    pattern: /^ ([A-Z]+) +\[([^\]]{0,256})\] +([^\s:]{1,256})(?: -|:) /,
    groups: ['level', 'thread', 'program'],
  },
  {
    name: 'nginx',
    begins: '[',
    pattern: /^ \[([a-z]+)\] (\d{1,10})#(\d{1,10}): /,
    groups: ['level', 'pid', 'tid'],
  },
  {
    name: 'Apache',
    begins: ']',
    pattern: /^\] \[(\w{0,64}):(\w{1,16})\] \[pid (\d{1,10})(?::tid (\d{1,20}))?\] /,
    groups: ['program', 'level', 'pid', 'tid'],
  },
  {
    name: 'gunicorn',
    begins: ']',
    pattern: /^\] \[(\d{1,10})\] \[([A-Z]+)\] /,
    groups: ['pid', 'level'],
  },
  {
    name: 'Ruby',
    begins: '#',
    pattern: /^ #(\d{1,10})\] +([A-Z]+) -- ([^:]{0,128}): /,
    groups: ['pid', 'level', 'program'],
  },
  {
    name: 'Postgres',
    begins: '[',
    pattern: /^ \[(\d{1,10})(?:-\d{1,9})?\] (?:(\S{1,128}@\S{1,128}) )?([A-Z]+\d?): +/,
    groups: ['pid', 'user', 'level'],
  },
  { name: 'MySQL', begins: '0', pattern: /^ (\d{1,10}) \[([A-Za-z]+)\] /, groups: ['thread', 'level'] },
  { name: 'Go', pattern: /^ ([\w./-]{1,256}\.go:\d{1,9}): /, groups: ['caller'], isLevelless: true },
  {
    name: 'Android',
    begins: '0',
    pattern: /^ +(\d{1,10}) +(\d{1,10}) ([VDIWEFA]) ([^:]{1,64}?) *: /,
    groups: ['pid', 'tid', 'letter', 'program'],
  },
  {
    name: 'Kubernetes',
    begins: 'A',
    pattern: /^ (stdout|stderr) ([FP]) /,
    groups: ['stream', 'tag'],
    isLevelless: true,
  },
  {
    name: 'level and module',
    begins: 'A',
    pattern: /^[ \t]+([A-Z]+) +([\w-]+(?:(?:\.|::|\/|\$)[\w$-]+)+(?=\]|:? )|[\w-]+(?=\]))\]?:? /,
    groups: ['level', 'program'],
  },
  {
    name: 'level in brackets',
    pattern: /^\]?[\s|:-]{0,4}[[(<]([A-Za-z]{3,13})[\])>][\s|:-]{0,4}/,
    groups: ['level'],
  },
  {
    name: 'level',
    pattern: /^[\])]?[\s|:-]{1,8}([A-Z]{3,13}|[A-Za-z]{3,13}(?=:))(?:[\s|:-]{1,16}|$)/,
    groups: ['level'],
  },
];

/** Behind the date and in front of the message when no layout matches. */
const SEPARATOR = /^[\])]?[\s,;|]*(?:- )?/;
const LAYOUTS_BY_KIND: ReadonlyMap<string, readonly Layout[]> = new Map(
  ['-', '0', 'A', '[', ']', '#', ''].map((kind) => [
    kind,
    LAYOUTS.filter(({ begins }) => begins === undefined || begins === kind),
  ]),
);

/** The named values before and behind the date. */
type Named = Record<string, string | undefined>;

/** Reads the line, or returns `undefined` when it does not begin with a date. */
export function readDatedLine(text: string): RecognisedLine | undefined {
  const date = readDate(text, 0);
  if (date) return readBehind(text, 0, date);
  const glog = GLOG.exec(text);
  if (glog) return googleLine(text, glog);
  for (const pattern of BEFORE) {
    pattern.lastIndex = 0;
    const before = pattern.exec(text);
    if (!before) continue;
    const found = readDate(text, before[0].length);
    if (found) return readBehind(text, before[0].length, found, before.groups);
  }
  return undefined;
}

/**
 * Reads a line whose date is known.
 *
 * @param from where the date begins
 * @param before what stands before it
 */
export function readBehind(text: string, from: number, date: FoundDate, before?: Named): RecognisedLine {
  const time = { text: text.slice(from, date.end), clock: date.clock };
  const rest = text.slice(date.end);
  for (const layout of LAYOUTS_BY_KIND.get(kindOf(rest)) ?? []) {
    const match = layout.pattern.exec(rest);
    const line = match && readLayout(layout, match, rest, before);
    if (line)
      return {
        time,
        level: line.level,
        host: undefined,
        program: line.program,
        message: line.message,
        fields: line.fields,
      };
  }
  const message = rest.replace(SEPARATOR, '');
  const pairs = message.includes('=') ? readLogfmt(message) : undefined;
  if (pairs) return { ...liftMembers(pairs, message), time };
  return { time, message, fields: fieldsOf({ pid: before?.['pid'] }) };
}

function readLayout(
  { groups, isLevelless }: Layout,
  match: RegExpExecArray,
  rest: string,
  before: Named | undefined,
): RecognisedLine | undefined {
  let level = levelOfLetter(before?.['letter'] ?? '');
  let program: string | undefined;
  let fields: Record<string, string> | undefined;
  for (const [index, name] of groups.entries()) {
    const value = match[index + 1];
    if (value === undefined || value === '') continue;
    if (name === 'level') level = levelOf(value);
    else if (name === 'letter') level = levelOfLetter(value);
    else if (name === 'program') program = value;
    else (fields ??= {})[name] = value;
  }
  if (level === undefined && isLevelless !== true) return undefined;
  return { level, program, message: rest.slice(match[0].length), fields };
}

/** The kind of the first character that is not a blank: a digit is `0`, a letter is `A`. */
function kindOf(rest: string): string {
  let at = 0;
  while (rest.charCodeAt(at) === 0x20) at++;
  const code = rest.charCodeAt(at);
  if (code >= 0x30 && code <= 0x39) return '0';
  if ((code | 0x20) >= 0x61 && (code | 0x20) <= 0x7a) return 'A';
  const kind = rest.charAt(at);
  return LAYOUTS_BY_KIND.has(kind) ? kind : '';
}

function googleLine(text: string, glog: RegExpExecArray): RecognisedLine {
  const [header, letter = '', month, day, hour, minute, second, fraction = '', tid, caller] = glog;
  const clock = {
    ...{ year: undefined, month: Number(month), day: Number(day), hour: Number(hour) },
    ...{ minute: Number(minute), second: Number(second), fraction, zone: undefined },
  };
  return {
    time: { text: text.slice(1, GLOG_TIME_LENGTH + fraction.length), clock },
    level: levelOfLetter(letter),
    message: text.slice(header.length),
    fields: fieldsOf({ tid, caller }),
  };
}
