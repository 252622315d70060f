/**
 * What a line shows of a clock, and which instant that is.
 *
 *   zone    the line's own; without one, the zone that the user names (UTC by default)
 *   year    the line's own; without one, the latest in which the time is not more than a day after the file's last
 *           change. The day is for clocks that differ.
 *
 * A zone that is written but has no single meaning (`CST`, `IST`) is read in the zone that the user names. Without such
 * a zone, the time is not understood. A wrong time is worse than none.
 */
import { canonicalTimestamp } from '#contracts';
import { TimeZone } from './time-zone.js';

/** A reading of a clock. The parts may not exist together, as on 30 February. */
export interface WallClock {
  /** `undefined` when the line has none. */
  readonly year: number | undefined;
  /** 1 to 12. */
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Digits behind the point; may be empty. */
  readonly fraction: string;
  /** `+07:00` or `Z`; `undefined` when the line has none; `ambiguous` when it has one of several meanings. */
  readonly zone: string | undefined;
}

/** What supplies the parts that a line leaves out. */
export interface ClockRules {
  /** The zone of times that name none; UTC when the user names none. */
  readonly timeZone: TimeZone | undefined;
  /** When the file was last changed. */
  readonly modified: Date;
  /** The latest instant of a date without a year. */
  readonly latest: string;
}

/** The zone of a reading whose abbreviation has several meanings. */
export const AMBIGUOUS = 'ambiguous';

const DAY_MS = 86_400_000;
/** 29 February may be up to eight years back. */
const YEARS_BACK_MAX = 8;
const MICROSECOND_DIGITS = 6;
const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'));

/** The rules for lines that a file had when it was last changed. */
export function clockRules(timeZone: TimeZone | undefined, modified: Date): ClockRules {
  const latest = new Date(modified.getTime() + DAY_MS).toISOString();
  return { timeZone, modified, latest: canonicalTimestamp(latest) ?? latest };
}

/** @returns the instant as the contract writes it, or `undefined` when it does not exist or is not certain */
export function instantOf(clock: WallClock, rules: ClockRules): string | undefined {
  if (clock.zone === AMBIGUOUS && !rules.timeZone) return undefined;
  const zone = rules.timeZone ?? TimeZone.utc;
  if (clock.year !== undefined) return instantInYear(clock, clock.year, zone);
  // Where the zone is ahead of UTC, the next year may have begun.
  const latestYear = Number(rules.latest.slice(0, 4)) + (clock.month === 1 ? 1 : 0);
  for (let year = latestYear; year >= latestYear - YEARS_BACK_MAX; year--) {
    const instant = instantInYear(clock, year, zone);
    // The stored form sorts as text.
    if (instant !== undefined && instant <= rules.latest) return instant;
  }
  return undefined;
}

function instantInYear(clock: WallClock, year: number, zone: TimeZone): string | undefined {
  const text =
    `${year < 1_000 ? String(year).padStart(4, '0') : year}-${twoDigits(clock.month)}-${twoDigits(clock.day)}` +
    `T${twoDigits(clock.hour)}:${twoDigits(clock.minute)}:${twoDigits(clock.second)}.${sixDigits(clock.fraction)}`;
  if (clock.zone !== undefined && clock.zone !== AMBIGUOUS) return canonicalTimestamp(text + clock.zone);
  const asUtc = canonicalTimestamp(`${text}Z`);
  if (zone.isUtc || asUtc === undefined) return asUtc;
  // Only whole milliseconds pass through `Date`, so the fraction stays outside.
  const instant = new Date(zone.instantMs(Date.parse(`${asUtc.slice(0, 19)}Z`)));
  return canonicalTimestamp(`${instant.toISOString().slice(0, 19)}.${asUtc.slice(20, -1)}Z`);
}

function sixDigits(fraction: string): string {
  if (fraction === '') return '000000';
  return fraction.length === 3
    ? `${fraction}000`
    : fraction.slice(0, MICROSECOND_DIGITS).padEnd(MICROSECOND_DIGITS, '0');
}

function twoDigits(value: number): string {
  return TWO_DIGITS[value] ?? '99';
}
