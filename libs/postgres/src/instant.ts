/**
 * Converts instants from the one text form in which events carry them to the number that Postgres stores.
 *
 * The text is read digit by digit, because `Date` is slower and has no microseconds.
 */

const LENGTH = 27;
const DIGIT_0 = 0x30;
/** Seconds from 1970 to 2000, where Postgres begins to count. */
const EPOCH_SECONDS = 946_684_800;
/** Beyond this number of seconds, microseconds exceed the safe integers. */
const NUMBER_SECONDS_MAX = 9_000_000_000;

/**
 * Returns an instant in microseconds since 2000-01-01.
 *
 * @param text UTC with microseconds, `2026-11-22T03:00:00.000000Z`; the year is 0001 to 9999, and the date must exist
 * @returns a number, or a bigint where a number would not be exact
 * @throws RangeError when the text does not have that form
 */
export function instantMicroseconds(text: string): number | bigint {
  if (text.length !== LENGTH || !text.endsWith('Z')) throw new RangeError(`${text} is not a UTC instant`);
  const days = daysSince1970(digits(text, 0, 4), digits(text, 5, 2), digits(text, 8, 2));
  const secondOfDay = digits(text, 11, 2) * 3_600 + digits(text, 14, 2) * 60 + digits(text, 17, 2);
  const seconds = days * 86_400 + secondOfDay - EPOCH_SECONDS;
  const microseconds = digits(text, 20, 6);
  if (!Number.isInteger(seconds + microseconds)) throw new RangeError(`${text} is not a UTC instant`);
  if (Math.abs(seconds) < NUMBER_SECONDS_MAX) return seconds * 1_000_000 + microseconds;
  return BigInt(seconds) * 1_000_000n + BigInt(microseconds);
}

const EPOCH_MICROSECONDS = BigInt(EPOCH_SECONDS) * 1_000_000n;

/**
 * Returns an instant in microseconds since 1970-01-01, as column stores count.
 *
 * @param text UTC with milliseconds or microseconds; see `instantMicroseconds`
 * @throws RangeError when the text does not have that form
 */
export function epochMicroseconds(text: string): bigint {
  const whole = text.length === LENGTH ? text : `${text.slice(0, -1)}000Z`;
  return BigInt(instantMicroseconds(whole)) + EPOCH_MICROSECONDS;
}

/** The number written in the `count` characters from `from` on; NaN when one of them is not a digit. */
function digits(text: string, from: number, count: number): number {
  let value = 0;
  for (let at = from; at < from + count; at++) {
    const digit = text.charCodeAt(at) - DIGIT_0;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return value;
}

/**
 * Counts days since 1970-01-01. Years are counted from March, so that the leap day is the last of its year (Howard
 * Hinnant, days_from_civil).
 */
function daysSince1970(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const monthFromMarch = (month + 9) % 12;
  const dayOfYear = Math.floor((153 * monthFromMarch + 2) / 5) + day - 1;
  const leapDays = Math.floor(y / 4) - Math.floor(y / 100) + Math.floor(y / 400);
  return y * 365 + leapDays + dayOfYear - 719_468;
}
