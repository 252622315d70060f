import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalTimestamp } from './timestamp.js';

const YEAR_1 = new Date('0001-01-02T00:00:00.000Z');
const YEAR_9999 = new Date('9999-12-30T00:00:00.000Z');
const instant = fc.date({ min: YEAR_1, max: YEAR_9999, noInvalidDate: true });
const two = (value: number): string => String(value).padStart(2, '0');

describe('canonicalTimestamp', () => {
  it('agrees with Date on every instant of millisecond precision', () => {
    fc.assert(
      fc.property(instant, (date) => {
        expect(canonicalTimestamp(date.toISOString())).toBe(date.toISOString().replace('Z', '000Z'));
      }),
    );
  });

  it('subtracts the offset, whichever way it is written', () => {
    const offset = fc.record({
      sign: fc.constantFrom('+', '-'),
      hours: fc.nat(15),
      minutes: fc.nat(59),
      form: fc.constantFrom('±hh:mm', '±hhmm'),
    });
    fc.assert(
      fc.property(instant, offset, (date, { sign, hours, minutes, form }) => {
        const zone = `${sign}${two(hours)}${form === '±hh:mm' ? ':' : ''}${two(minutes)}`;
        const offsetMs = (hours * 60 + minutes) * 60_000 * (sign === '-' ? -1 : 1);
        const utc = new Date(date.getTime() - offsetMs).toISOString();
        expect(canonicalTimestamp(date.toISOString().replace('Z', zone))).toBe(utc.replace('Z', '000Z'));
      }),
    );
  });

  it('changes nothing when it is applied again', () => {
    fc.assert(
      fc.property(instant, (date) => {
        const once = canonicalTimestamp(date.toISOString()) ?? '';
        expect(canonicalTimestamp(once)).toBe(once);
      }),
    );
  });

  it('accepts exactly the days that the calendar has', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 9999 }), fc.nat(14), fc.nat(33), (year, month, day) => {
        const date = new Date(0);
        date.setUTCFullYear(year, month - 1, day);
        const exists =
          date.getUTCFullYear() === year && date.getUTCMonth() === month - 1 && date.getUTCDate() === day;
        const text = `${String(year).padStart(4, '0')}-${two(month)}-${two(day)}T12:00:00Z`;
        expect(canonicalTimestamp(text) !== undefined).toBe(exists);
      }),
    );
  });

  it.each([
    ['2026-11-22T10:00:00+07:00', '2026-11-22T03:00:00.000000Z'],
    ['2026-11-22T10:00:00-0330', '2026-11-22T13:30:00.000000Z'],
    ['2026-11-22T10:00:00+07', '2026-11-22T03:00:00.000000Z'],
    ['2026-11-22t10:00:00z', '2026-11-22T10:00:00.000000Z'],
    ['2026-11-22T10:00Z', '2026-11-22T10:00:00.000000Z'],
    ['2026-11-22T10:00:00,5Z', '2026-11-22T10:00:00.500000Z'],
    ['2026-11-22T10:00:00.123456Z', '2026-11-22T10:00:00.123456Z'],
    ['2024-02-29T23:59:59Z', '2024-02-29T23:59:59.000000Z'],
    ['2000-02-29T00:00:00Z', '2000-02-29T00:00:00.000000Z'],
    ['0099-01-01T00:00:00Z', '0099-01-01T00:00:00.000000Z'],
    ['2026-12-31T23:30:00-01:00', '2027-01-01T00:30:00.000000Z'],
    ['2016-12-31T23:59:60Z', '2017-01-01T00:00:00.000000Z'],
    ['2017-01-01T06:59:60.25+07:00', '2017-01-01T00:00:00.250000Z'],
  ])('turns %s into %s', (text, canonical) => {
    expect(canonicalTimestamp(text)).toBe(canonical);
  });

  it('cuts what is below a microsecond, it does not round', () => {
    expect(canonicalTimestamp('2026-11-22T10:00:00.9999999Z')).toBe('2026-11-22T10:00:00.999999Z');
  });

  it.each([
    ['a date that does not exist', '2026-02-30T00:00:00Z'],
    ['a leap day in a year without one', '2026-02-29T00:00:00Z'],
    ['a leap day in 1900', '1900-02-29T00:00:00Z'],
    ['month 0', '2026-00-01T00:00:00Z'],
    ['month 13', '2026-13-01T00:00:00Z'],
    ['hour 24', '2026-11-22T24:00:00Z'],
    ['minute 60', '2026-11-22T10:60:00Z'],
    ['second 60', '2026-11-22T10:00:60Z'],
    ['a leap second at the midnight of a zone', '2016-12-31T23:59:60+07:00'],
    ['second 61', '2016-12-31T23:59:61Z'],
    ['no zone', '2026-11-22T10:00:00'],
    ['a date alone', '2026-11-22'],
    ['an offset of 16 hours', '2026-11-22T10:00:00+16:00'],
    ['an offset of 60 minutes', '2026-11-22T10:00:00+01:60'],
    ['a five-digit year', '+12026-11-22T10:00:00Z'],
    ['a name of a month', '22 Nov 2026 10:00:00 GMT'],
    ['white space around it', ' 2026-11-22T10:00:00Z'],
    ['a line break at the end', '2026-11-22T10:00:00Z\n'],
    ['a fraction without digits', '2026-11-22T10:00:00.Z'],
    ['nothing', ''],
  ])('refuses %s', (_, text) => {
    expect(canonicalTimestamp(text)).toBeUndefined();
  });

  it.each([
    ['0001-01-01T00:00:00Z', true],
    ['0001-01-01T00:00:00+00:01', false],
    ['0000-12-31T23:59:00Z', false],
    ['0000-12-31T23:59:00-00:01', true],
    ['9999-12-31T23:59:59.999999Z', true],
    ['9999-12-31T23:59:00-00:01', false],
  ])('judges the year in UTC, not the one that is written: %s %s', (text, valid) => {
    expect(canonicalTimestamp(text) !== undefined).toBe(valid);
  });
});
