/**
 * Under which names loggers put time, level, host, program and message in a record: a line of JSON or of logfmt.
 *
 * The first name that has a value counts, in the order of the list. What is lifted out of the record is not repeated
 * in `fields`.
 */
import { readDate, clockOfEpoch } from './date-formats.js';
import { levelOf, levelOfNumber } from './levels.js';
import type { RecognisedLine, WrittenTime } from './recognised-line.js';

/** A record by its names. A name with a point stands for a member of a member, too. */
export type LogRecord = ReadonlyMap<string, unknown>;

const TIME = [
  ...['@timestamp', 'timestamp', 'time', 'ts', '@t', 'datetime', 'date', 't', 'eventTime'],
  '__REALTIME_TIMESTAMP',
];
const LEVEL = ['level', 'severity', 'lvl', 'log.level', 'levelname', 'loglevel', '@l', 'PRIORITY'];
const HOST = ['host', 'hostname', 'host.name', '_HOSTNAME'];
const PROGRAM = [
  ...['program', 'service', 'service.name', 'app', 'application', 'SYSLOG_IDENTIFIER'],
  ...['logger', 'logger_name', 'name', 'component'],
];
const MESSAGE = ['message', 'msg', '@message', '@m', 'event', 'text', 'MESSAGE', 'log'];

/** Seconds, milliseconds, microseconds or nanoseconds since 1970: as many digits as these have since 2001. */
const EPOCH_DIGITS: readonly (readonly [digits: number, below: number])[] = [
  [10, 0],
  [13, 3],
  [16, 6],
  [19, 9],
];

/**
 * Lifts the well-known members out of a record.
 *
 * @param whole the message of a record that has none
 */
export function liftMembers(record: LogRecord, whole: string): RecognisedLine {
  const left = new Map(record);
  const time = lift(left, TIME, writtenTime);
  const level = lift(left, LEVEL, levelOfValue);
  const host = lift(left, HOST, nameOf);
  const program = lift(left, PROGRAM, nameOf);
  const message = lift(left, MESSAGE, textOf) ?? whole;
  return {
    time,
    level,
    host,
    program,
    message,
    fields: left.size > 0 ? Object.fromEntries(left) : undefined,
  };
}

function lift<T>(
  record: Map<string, unknown>,
  names: readonly string[],
  read: (value: unknown) => T | undefined,
): T | undefined {
  for (const name of names) {
    const found = read(record.get(name));
    if (found === undefined) continue;
    record.delete(name);
    return found;
  }
  return undefined;
}

/** Reads a time that stands alone in its text: a date, or a count since 1970. */
export function writtenTime(value: unknown): WrittenTime | undefined {
  const text = typeof value === 'number' ? String(value) : value;
  if (typeof text !== 'string') return undefined;
  const clock = clockOfCount(text) ?? clockOfWholeText(text);
  return clock && { text, clock };
}

function clockOfWholeText(text: string): WrittenTime['clock'] | undefined {
  const date = readDate(text, 0);
  return date?.end === text.length ? date.clock : undefined;
}

function clockOfCount(text: string): WrittenTime['clock'] | undefined {
  if (!/^\d{10,19}(?:\.\d+)?$/.test(text)) return undefined;
  const [whole = '', fraction = ''] = text.split('.');
  const [, below] = EPOCH_DIGITS.find(([digits]) => digits === whole.length) ?? [];
  if (below === undefined) return undefined;
  const point = whole.length - below;
  return clockOfEpoch(`${whole.slice(0, point)}.${whole.slice(point)}${fraction}`);
}

function levelOfValue(value: unknown): string | undefined {
  if (typeof value === 'number') return levelOfNumber(value);
  if (typeof value !== 'string') return undefined;
  return levelOf(value) ?? (/^\d{1,2}$/.test(value) ? levelOfNumber(Number(value)) : undefined);
}

/** A name, or the member `name` of an object, as the Elastic Common Schema has it. */
function nameOf(value: unknown): string | undefined {
  if (typeof value === 'string') return value === '' ? undefined : value;
  if (typeof value !== 'object' || value === null || !('name' in value)) return undefined;
  return Object.keys(value).length === 1 ? nameOf(value.name) : undefined;
}

function textOf(value: unknown): string | undefined {
  // Docker keeps the newline of each line.
  return typeof value === 'string' ? value.replace(/\r?\n$/, '') : undefined;
}
