import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { recordTimestamp } from './record-time.js';

describe('the time of a record', () => {
  it.each([
    ['2026-11-22T10:00:00.123456+07:00', '2026-11-22T03:00:00.123456Z'],
    ['1795341600', '2026-11-22T10:00:00.000000Z'],
    ['1795341600.123456789', '2026-11-22T10:00:00.123456Z'],
    ['1795341600123', '2026-11-22T10:00:00.123000Z'],
    ['1795341600123.4567', '2026-11-22T10:00:00.123456Z'],
    ['1795341600123456', '2026-11-22T10:00:00.123456Z'],
    ['1795341600123456789', '2026-11-22T10:00:00.123456Z'],
    ['0', '1970-01-01T00:00:00.000000Z'],
    ['99999999999', '5138-11-16T09:46:39.000000Z'],
  ])('%s is %s', (text, expected) => {
    expect(recordTimestamp(text)).toBe(expected);
  });

  it.each(['', 'now', '-1', '1e9', '1.', '2026-11-22', '2026-11-22 10:00:00', '1'.repeat(21)])(
    '%j is none',
    (text) => {
      expect(recordTimestamp(text)).toBeUndefined();
    },
  );

  it('loses no microsecond, in whichever unit it is written', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 10n ** 15n, max: 10n ** 16n }), (micros) => {
        const expected = `${new Date(Number(micros / 1_000n)).toISOString().slice(0, -1)}${String(micros % 1_000n).padStart(3, '0')}Z`;
        const text = String(micros);
        const ways = [
          text,
          `${text.slice(0, -6)}.${text.slice(-6)}`,
          `${text.slice(0, -3)}.${text.slice(-3)}`,
          `${text}999`,
        ];
        expect(ways.map(recordTimestamp)).toEqual(ways.map(() => expected));
      }),
    );
  });
});
