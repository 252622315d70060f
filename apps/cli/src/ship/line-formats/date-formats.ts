/**
 * The forms in which programs write dates, as a table. `readDate` finds the one that stands at a position.
 *
 * The first character of a date says which forms are tried, in the order of the table. No form is guessed: `03/04/2026`
 * is a day in March to some and in April to others, so it is not here.
 *
 * Well-kept libraries for dates do one of two other things. They guess, as chrono does, or take one form at a time and
 * a microsecond for each, as Luxon and date-fns do. A line of a log has one of twenty forms, and there are 250,000 lines
 * a second.
 */
import type { WallClock } from './wall-clock.js';
import { readZone, zoneOfName } from './zone-suffix.js';

/** A part of a date, as a pattern captures it. */
type Part = 'year' | 'shortYear' | 'month' | 'day' | 'time' | 'epoch' | 'zoneName' | 'half';

/** One form. */
export interface DateFormat {
  /** Who writes it. */
  readonly name: string;
  readonly example: string;
  /** Matches at a position. Its groups are the parts; `time` has four: hour, minute, second, fraction. */
  readonly pattern: RegExp;
  readonly parts: readonly Part[];
  /** Whether a zone may follow. */
  readonly zoneFollows: boolean;
  /** Whether only its characters may stand there, because the form alone is not a sure sign of a date. */
  readonly needsBlankBehind?: boolean;
}

/** A date in a line, and where it ends. */
export interface FoundDate {
  readonly clock: WallClock;
  readonly end: number;
}

const TIME = String.raw`(\d{2}):(\d{2})(?::(\d{2})(?:[.,](\d+))?)?(?![\d:])`;
const FULL_TIME = String.raw`(\d{2}):(\d{2}):(\d{2})(?:[.,](\d+))?(?![\d:])`;
const MONTH = '(Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)';
const WEEKDAY = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)';
const at = (pattern: string): RegExp => new RegExp(pattern, 'y');

const FROM_DIGIT: readonly DateFormat[] = [
  {
    name: 'ISO 8601, RFC 3339; log4j, Python, Postgres, logback',
    example: '2026-11-22 10:00:00,123+07',
    pattern: at(`(\\d{4})-(\\d{2})-(\\d{2})(?:[Tt_]| {1,2})${TIME}`),
    parts: ['year', 'month', 'day', 'time'],
    zoneFollows: true,
  },
  {
    name: 'Go, nginx (errors)',
    example: '2026/11/22 10:00:00.123456',
    pattern: at(`(\\d{4})/(\\d{2})/(\\d{2})[T ]${FULL_TIME}`),
    parts: ['year', 'month', 'day', 'time'],
    zoneFollows: true,
  },
  {
    name: 'Apache, nginx (accesses)',
    example: '22/Nov/2026:10:00:00 +0700',
    pattern: at(`(\\d{2})/${MONTH}/(\\d{4})[: ]${FULL_TIME}`),
    parts: ['day', 'month', 'year', 'time'],
    zoneFollows: true,
  },
  {
    name: 'HDFS, old MySQL',
    example: '261122 100000',
    pattern: at(String.raw`(\d{2})(\d{2})(\d{2}) {1,2}(\d{1,2}):?(\d{2}):?(\d{2})()(?![\d:.,])`),
    parts: ['shortYear', 'month', 'day', 'time'],
    zoneFollows: false,
    needsBlankBehind: true,
  },
  {
    name: 'Spark, Hadoop',
    example: '26/11/22 10:00:00',
    pattern: at(`(\\d{2})/(\\d{2})/(\\d{2}) ${FULL_TIME}`),
    parts: ['shortYear', 'month', 'day', 'time'],
    zoneFollows: true,
    needsBlankBehind: true,
  },
  {
    name: 'Redis, log4j (DATE), Tomcat, BIND, Oracle',
    example: '22 Nov 2026 10:00:00.123',
    pattern: at(`(\\d{1,2})[ -]${MONTH}[ -](\\d{4}),? ${FULL_TIME}`),
    parts: ['day', 'month', 'year', 'time'],
    zoneFollows: true,
  },
  {
    name: 'ISO 8601 without separators',
    example: '20261122T100000Z',
    pattern: at(String.raw`(\d{4})(\d{2})(\d{2})[T -](\d{2}):?(\d{2}):?(\d{2})(?:[.,](\d+))?(?![\d:])`),
    parts: ['year', 'month', 'day', 'time'],
    zoneFollows: true,
  },
  {
    name: 'Android',
    example: '11-22 10:00:00.123',
    pattern: at(`(\\d{2})-(\\d{2}) ${FULL_TIME}`),
    parts: ['month', 'day', 'time'],
    zoneFollows: false,
    needsBlankBehind: true,
  },
  {
    name: 'Squid, seconds since 1970',
    example: '1795341600.123',
    pattern: at(String.raw`(\d{10}\.\d{1,9})(?![\d.])`),
    parts: ['epoch'],
    zoneFollows: false,
    needsBlankBehind: true,
  },
];

const FROM_LETTER: readonly DateFormat[] = [
  {
    name: 'syslog (RFC 3164)',
    example: 'Nov 22 10:00:00',
    pattern: at(`${MONTH} {1,2}(\\d{1,2}) ${FULL_TIME}`),
    parts: ['month', 'day', 'time'],
    zoneFollows: true,
  },
  {
    name: 'Apache (errors), date(1), ctime',
    example: 'Sun Nov 22 10:00:00.123456 2026',
    pattern: at(`${WEEKDAY} ${MONTH} {1,2}(\\d{1,2}) ${FULL_TIME}(?: ([A-Z]{1,4}|[+-]\\d{4}))? (\\d{4})`),
    parts: ['month', 'day', 'time', 'zoneName', 'year'],
    zoneFollows: false,
  },
  {
    name: 'mail and HTTP (RFC 5322)',
    example: 'Sun, 22 Nov 2026 10:00:00 +0700',
    pattern: at(`${WEEKDAY}, (\\d{1,2}) ${MONTH} (\\d{4}) ${FULL_TIME}`),
    parts: ['day', 'month', 'year', 'time'],
    zoneFollows: true,
  },
  {
    name: 'Java (java.util.logging)',
    example: 'Nov 22, 2026 10:00:00 AM',
    pattern: at(`${MONTH} (\\d{1,2}), (\\d{4}),? (\\d{1,2}):(\\d{2}):(\\d{2})()[ \u202f]([AP])M`),
    parts: ['month', 'day', 'year', 'time', 'half'],
    zoneFollows: true,
  },
  {
    name: 'Cisco',
    example: 'Nov 22 2026 10:00:00',
    pattern: at(`${MONTH} {1,2}(\\d{1,2}) (\\d{4}) ${FULL_TIME}`),
    parts: ['month', 'day', 'year', 'time'],
    zoneFollows: true,
  },
];

/** All forms. */
export const DATE_FORMATS: readonly DateFormat[] = [...FROM_DIGIT, ...FROM_LETTER];

const MONTH_NAMES = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const MONTHS: ReadonlyMap<string, number> = new Map(MONTH_NAMES.map((name, index) => [name, index + 1]));
/** No program writes more digits of a second. */
const FRACTION_LENGTH_MAX = 9;
/** Years with two digits are those of this century. Computers with other logs are gone. */
const CENTURY = 2_000;

/** The date that stands at a position, or `undefined`. Whether the day exists is not checked here. */
export function readDate(text: string, position: number): FoundDate | undefined {
  const code = text.charCodeAt(position);
  const isDigit = code >= 0x30 && code <= 0x39;
  if (!isDigit && !(code >= 0x41 && code <= 0x57)) return undefined;
  for (const format of isDigit ? FROM_DIGIT : FROM_LETTER) {
    format.pattern.lastIndex = position;
    const match = format.pattern.exec(text);
    if (match) return foundDate(format, match, text);
  }
  return undefined;
}

function foundDate(format: DateFormat, match: RegExpExecArray, text: string): FoundDate | undefined {
  const behind = match.index + match[0].length;
  if (format.needsBlankBehind && behind < text.length && text.charCodeAt(behind) > 0x20) return undefined;
  const clock = clockOf(format.parts, match);
  if (!clock || !format.zoneFollows || behind === text.length) return clock && { clock, end: behind };
  const suffix = readZone(text, behind);
  if (!suffix) return undefined;
  return suffix.zone === undefined
    ? { clock, end: behind }
    : { clock: { ...clock, zone: suffix.zone }, end: suffix.end };
}

/** A `WallClock` while it is read. */
interface Draft {
  year: number | undefined;
  month: number;
  day: number;
  hour: number;
  minute: number;
  second: number;
  fraction: string;
  zone: string | undefined;
}

function clockOf(parts: readonly Part[], match: RegExpExecArray): WallClock | undefined {
  const clock: Draft = {
    year: undefined,
    month: 1,
    day: 1,
    hour: 0,
    minute: 0,
    second: 0,
    fraction: '',
    zone: undefined,
  };
  let group = 1;
  for (const part of parts) {
    if (part === 'time') {
      readTime(clock, match, group);
      group += 4;
    } else {
      const text = match[group++] ?? '';
      if (part === 'epoch') return clockOfEpoch(text);
      if (!readPart(clock, part, text)) return undefined;
    }
  }
  return clock;
}

function readTime(clock: Draft, match: RegExpExecArray, group: number): void {
  clock.hour = numberOf(match[group]);
  clock.minute = numberOf(match[group + 1]);
  clock.second = numberOf(match[group + 2]);
  const fraction = match[group + 3] ?? '';
  clock.fraction = fraction.length > FRACTION_LENGTH_MAX ? fraction.slice(0, FRACTION_LENGTH_MAX) : fraction;
}

/** @returns whether the part is what it must be */
function readPart(clock: Draft, part: Exclude<Part, 'time' | 'epoch'>, text: string): boolean {
  switch (part) {
    case 'year':
      clock.year = numberOf(text);
      return true;
    case 'shortYear':
      clock.year = CENTURY + numberOf(text);
      return true;
    case 'month':
      clock.month = text.length === 3 ? (MONTHS.get(text) ?? 0) : numberOf(text);
      return true;
    case 'day':
      clock.day = numberOf(text);
      return true;
    case 'half':
      clock.hour = (clock.hour % 12) + (text === 'P' ? 12 : 0);
      return true;
    case 'zoneName':
      clock.zone = /\d/.test(text) ? text : zoneOfName(text);
      return text === '' || clock.zone !== undefined;
  }
}

/** The number for a few digits. `Number` would take ten times as long, and most lines have six numbers. */
function numberOf(digits = ''): number {
  let number = 0;
  for (let at = 0; at < digits.length; at++) number = number * 10 + digits.charCodeAt(at) - 0x30;
  return number;
}

/**
 * The reading for a count of seconds since 1970.
 *
 * @param seconds decimal digits, with or without a point
 */
export function clockOfEpoch(seconds: string): WallClock | undefined {
  const [whole = '', fraction = ''] = seconds.split('.');
  const date = new Date(Number(whole) * 1_000);
  if (Number.isNaN(date.getTime())) return undefined;
  return {
    year: date.getUTCFullYear(),
    month: date.getUTCMonth() + 1,
    day: date.getUTCDate(),
    hour: date.getUTCHours(),
    minute: date.getUTCMinutes(),
    second: date.getUTCSeconds(),
    fraction: fraction.slice(0, FRACTION_LENGTH_MAX),
    zone: 'Z',
  };
}
