/** Figures and times as the page writes them. */
import { describe, expect, it } from '@jest/globals';
import { bytes, clock, count, counted, instant, lastSettled, second, share, span } from './wording.js';

describe('the page', () => {
  it('rounds no count', () => {
    expect(count(1_234_567_890)).toBe('1,234,567,890');
    expect([counted(1, 'event'), counted(2, 'event')]).toEqual(['1 event', '2 events']);
  });

  it('writes times in UTC, and says so', () => {
    expect(instant('2026-11-28T10:00:00.412345+02:00')).toBe('2026-11-28 08:00:00.412 UTC');
    expect(second('2026-11-28T10:00:00.912345Z')).toBe('2026-11-28 10:00:00 UTC');
    expect(clock(Date.parse('2026-11-28T10:00:00Z'))).toBe('10:00:00 UTC');
    expect(instant('nonsense')).toBe('nonsense');
  });

  it('writes when something was last settled, as exactly as it is known', () => {
    const start = '2026-11-28T10:30:00.000Z';
    const texts = [60, 3_600, 86_400].map((seconds) => lastSettled({ start, seconds }));
    expect(texts).toEqual(['2026-11-28 10:30', '2026-11-28, hour of 10:30', '2026-11-28']);
    expect(lastSettled(null)).toBe('—');
  });

  it.each([
    [0, '0 ms'],
    [0.412, '412 ms'],
    [3.29, '3.2 s'],
    [59.99, '59.9 s'],
    [60, '1 min'],
    [250, '4 min 10 s'],
    [7_500, '2 h 5 min'],
    [273_600, '3 d 4 h'],
  ])('writes %d seconds as %s', (seconds, text) => {
    expect(span(seconds)).toBe(text);
  });

  it('writes shares and sizes', () => {
    expect([share(1, 8), share(0, 0)]).toEqual(['12.5 %', '—']);
    expect([bytes(1), bytes(412), bytes(3_277), bytes(1_048_576)]).toEqual([
      ...['1 byte', '412 bytes'],
      ...['3.2 KiB', '1 MiB'],
    ]);
  });
});
