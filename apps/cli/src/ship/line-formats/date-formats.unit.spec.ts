import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { DATE_FORMATS, readDate } from './date-formats.js';
import { TimeZone } from './time-zone.js';
import { clockRules, instantOf } from './wall-clock.js';

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const DAYS = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const modified = new Date('2026-11-28T10:00:00Z');

/** The parts of an instant of UTC. */
function partsOf(date: Date) {
  const iso = date.toISOString();
  const [year, month, day] = [iso.slice(0, 4), iso.slice(5, 7), iso.slice(8, 10)];
  const name = MONTHS[Number(month) - 1] ?? '';
  const hour = date.getUTCHours();
  return {
    ...{ year, month, day, name, time: iso.slice(11, 19), ms: iso.slice(20, 23) },
    ...{ weekday: DAYS[date.getUTCDay()] ?? '', padded: day.replace(/^0/, ' '), bare: day.replace(/^0/, '') },
    ...{ hour12: String(hour % 12 || 12), half: hour < 12 ? 'AM' : 'PM' },
  };
}

type Parts = ReturnType<typeof partsOf>;

/** How each form is written, by its name; every one of the table must be here. */
const WRITERS: Readonly<Record<string, (parts: Parts) => string>> = {
  'ISO 8601, RFC 3339; log4j, Python, Postgres, logback': (p) =>
    `${p.year}-${p.month}-${p.day} ${p.time},${p.ms}`,
  'Go, nginx (errors)': (p) => `${p.year}/${p.month}/${p.day} ${p.time}.${p.ms}000`,
  'Apache, nginx (accesses)': (p) => `${p.day}/${p.name}/${p.year}:${p.time} +0000`,
  'HDFS, old MySQL': (p) => `${p.year.slice(2)}${p.month}${p.day} ${p.time.replaceAll(':', '')}`,
  'Spark, Hadoop': (p) => `${p.year.slice(2)}/${p.month}/${p.day} ${p.time}`,
  'Redis, log4j (DATE), Tomcat, BIND, Oracle': (p) => `${p.day}-${p.name}-${p.year} ${p.time}.${p.ms}`,
  'ISO 8601 without separators': (p) => `${p.year}${p.month}${p.day}T${p.time.replaceAll(':', '')}Z`,
  Android: (p) => `${p.month}-${p.day} ${p.time}.${p.ms}`,
  'Squid, seconds since 1970': (p) =>
    `${Date.parse(`${p.year}-${p.month}-${p.day}T${p.time}Z`) / 1_000}.${p.ms}`,
  'syslog (RFC 3164)': (p) => `${p.name} ${p.padded} ${p.time}`,
  'Apache (errors), date(1), ctime': (p) =>
    `${p.weekday} ${p.name} ${p.padded} ${p.time}.${p.ms}000 ${p.year}`,
  'mail and HTTP (RFC 5322)': (p) => `${p.weekday}, ${p.bare} ${p.name} ${p.year} ${p.time} GMT`,
  'Java (java.util.logging)': (p) => `${p.name} ${p.bare}, ${p.year} ${p.hour12}${p.time.slice(2)} ${p.half}`,
  Cisco: (p) => `${p.name} ${p.padded} ${p.year} ${p.time}`,
};

const read = (text: string, timeZone?: TimeZone): string | undefined => {
  const date = readDate(text, 0);
  return date?.end === text.length ? instantOf(date.clock, clockRules(timeZone, modified)) : undefined;
};

describe('the forms of dates', () => {
  it.each(DATE_FORMATS.map((format) => [format.name, format] as const))(
    '%s: what is written is read back',
    (name, format) => {
      const write = WRITERS[name];
      expect(write).toBeDefined();
      expect(read(format.example)).toMatch(/^2026-11-22T0?/);
      const hasYear = format.parts.some((part) => /year|epoch/i.test(part));
      // Without a year, a date is within the year before the file's last change.
      const min = hasYear ? new Date('2001-09-10T00:00:00Z') : new Date('2025-11-30T00:00:00Z');
      const instants = fc.date({ min, max: modified, noInvalidDate: true });
      fc.assert(
        fc.property(instants, (instant) => {
          const text = write?.(partsOf(instant)) ?? '';
          const hasMs = text.includes(partsOf(instant).ms) && /[.,]\d{3,6}/.test(text);
          const expected = `${instant.toISOString().slice(0, 19)}.${hasMs ? partsOf(instant).ms : '000'}000Z`;
          expect(read(text)).toBe(expected);
        }),
      );
    },
  );

  it('do not overlap: an example has no other form before its own', () => {
    for (const format of DATE_FORMATS) {
      const first = DATE_FORMATS.find(({ pattern, example }) => {
        pattern.lastIndex = 0;
        return example !== '' && pattern.test(format.example);
      });
      expect(first?.name).toBe(format.name);
    }
  });

  it('are read with any offset, attached or behind a blank', () => {
    const offset = fc.tuple(
      fc.constantFrom('+', '-'),
      fc.integer({ min: 0, max: 14 }),
      fc.constantFrom('', '00', ':00', ':30', '45'),
    );
    fc.assert(
      fc.property(offset, fc.constantFrom('', ' '), ([sign, hours, minutes], blank) => {
        const zone = `${sign}${String(hours).padStart(2, '0')}${minutes}`;
        const shift = (hours * 60 + Number(minutes.replace(':', ''))) * (sign === '-' ? -60_000 : 60_000);
        const expected = new Date(Date.parse('2026-11-22T10:00:00Z') - shift).toISOString().slice(0, 19);
        expect(read(`2026-11-22 10:00:00${blank}${zone}`)).toBe(`${expected}.000000Z`);
      }),
    );
  });

  it.each([
    ['2026-11-22T10:00:00+07:00', '03:00:00.000000'],
    ['2026-11-22 10:00:00+07', '03:00:00.000000'],
    ['2026-11-22 10:00:00 +0700', '03:00:00.000000'],
    ['2026-11-22 10:00:00.123 +07:00', '03:00:00.123000'],
    ['2026-11-22T10:00:00.1234567890+07:00', '03:00:00.123456'],
    ['2026-11-22 10:00:00 UTC', '10:00:00.000000'],
    ['2026-11-22 10:00:00.5 CET', '09:00:00.500000'],
    ['2026-11-22 10:00', '10:00:00.000000'],
    ['Sun Nov 22 10:00:00 WIB 2026', '03:00:00.000000'],
  ])('%j is %s UTC', (text, time) => {
    expect(read(text)).toBe(`2026-11-22T${time}Z`);
  });

  it.each([
    '2026-11-22 10:00:00+7',
    '2026-11-22 10:00:00 CST',
    'Sun Nov 22 10:00:00 IST 2026',
    '2026-02-30 00:00:00',
    '2026-11-22 24:00:00',
    '2026-11-22 10:00:00+07:00:00',
    '03/04/2026 10:00:00',
    '2026-11-22',
    '',
  ])('%j is not a certain time', (text) => {
    expect(read(text)).toBeUndefined();
  });
});

describe('the year that a date leaves out', () => {
  const readAt = (text: string, changed: string): string | undefined => {
    const date = readDate(text, 0);
    return date && instantOf(date.clock, clockRules(undefined, new Date(changed)));
  };

  it.each([
    ['Dec 31 23:59:59', '2026-01-01T00:00:10Z', '2025'],
    ['Jan  1 00:00:00', '2026-01-01T00:00:10Z', '2026'],
    // The clock that wrote the line is ahead of the clock of the file.
    ['Jan  1 00:00:00', '2025-12-31T23:59:00Z', '2026'],
    ['Jan  2 00:00:00', '2025-12-31T23:59:00Z', '2025'],
    ['Feb 29 12:00:00', '2027-03-01T00:00:00Z', '2024'],
    ['Nov 28 10:00:00', '2026-11-28T10:00:00Z', '2026'],
  ])('%j in a file of %s is in %s', (text, changed, year) => {
    expect(readAt(text, changed)?.slice(0, 4)).toBe(year);
  });
});

describe('the zone that a date leaves out', () => {
  it.each([
    ['Asia/Jakarta', '2026-11-22 10:00:00', '2026-11-22T03:00:00.000000Z'],
    ['+05:30', '2026-11-22 10:00:00.25', '2026-11-22T04:30:00.250000Z'],
    ['Europe/Berlin', '2026-07-01 12:00:00', '2026-07-01T10:00:00.000000Z'],
    ['Europe/Berlin', '2026-01-01 12:00:00', '2026-01-01T11:00:00.000000Z'],
    // The hour that comes twice, and the one that does not come.
    ['Europe/Berlin', '2026-10-25 02:30:00', '2026-10-25T00:30:00.000000Z'],
    ['Europe/Berlin', '2026-03-29 02:30:00', '2026-03-29T01:30:00.000000Z'],
    ['America/New_York', '2026-11-22 10:00:00 CST', '2026-11-22T15:00:00.000000Z'],
    ['Asia/Jakarta', '2026-11-22 10:00:00Z', '2026-11-22T10:00:00.000000Z'],
  ])('is %s', (zone, text, instant) => {
    expect(read(text, new TimeZone(zone))).toBe(instant);
  });

  it('agrees with Node for every instant that clocks show once', () => {
    const zone = new TimeZone('America/St_Johns');
    const format = new Intl.DateTimeFormat('sv', {
      ...{ timeZone: zone.name, dateStyle: 'short', timeStyle: 'medium' },
    });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 1_790_000_000 }), (seconds) => {
        const shown = format.format(new Date(seconds * 1_000));
        const later = format.format(new Date((seconds + 3_600) * 1_000));
        const earlier = format.format(new Date((seconds - 3_600) * 1_000));
        fc.pre(shown !== later && shown !== earlier);
        expect(zone.instantMs(Date.parse(`${shown.replace(' ', 'T')}Z`))).toBe(seconds * 1_000);
      }),
    );
  });

  it.each(['Mars/Olympus', '+25:00', ''])('cannot be %j', (name) => {
    expect(() => new TimeZone(name)).toThrow(RangeError);
  });
});
