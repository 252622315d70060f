/**
 * The time of a record as its producer wrote it: ISO 8601, or a number since 1970.
 *
 * Shippers write seconds with a fraction, milliseconds, microseconds or nanoseconds. The number of digits says which: in
 * the years from 1970 to 5138, seconds have at most 11, milliseconds at most 14. No floating point is used, because a
 * double cannot hold the microseconds of today in seconds exactly.
 */
import { canonicalTimestamp } from './timestamp.js';

const SINCE_1970 = /^(\d{1,20})(?:\.(\d{1,20}))?$/;
/** Digits before the point, at most, and how many of them are below a second. */
const UNITS: readonly (readonly [digitsMax: number, belowSecond: number])[] = [
  [11, 0],
  [14, 3],
  [17, 6],
  [20, 9],
];
const SECONDS_MAX = 253_402_300_799;

/**
 * Converts the time of a record to UTC with microseconds.
 *
 * @param text the characters of a JSON string's value, or of a JSON number as it was written
 * @returns for example `2026-11-22T03:00:00.000000Z`; `undefined` when it is none of the forms
 */
export function recordTimestamp(text: string): string | undefined {
  const match = SINCE_1970.exec(text);
  if (match === null) return canonicalTimestamp(text);
  const [, whole = '', fraction = ''] = match;
  const belowSecond = UNITS.find(([digitsMax]) => whole.length <= digitsMax)?.[1] ?? 0;
  const pointAt = whole.length - belowSecond;
  const digits = whole + fraction;
  const seconds = Number(digits.slice(0, pointAt));
  if (seconds > SECONDS_MAX) return undefined;
  const micros = digits.slice(pointAt, pointAt + 6).padEnd(6, '0');
  return `${new Date(seconds * 1_000).toISOString().slice(0, 19)}.${micros}Z`;
}
