import { describe, expect, it } from '@jest/globals';
import { indexHours } from './index-hours.js';

describe('the hours of indexes', () => {
  it.each([
    [undefined, 24],
    ['0-24', 24],
    ['5-5', 24],
    ['1-5', 4],
    ['22-4', 6],
    ['23-0', 1],
    ['20-24', 4],
  ])('%s are %i of a day', (text, count) => {
    const isAllowed = indexHours(text);
    const hours = Array.from({ length: 24 }, (_, hour) => hour);
    const allowed = hours.filter((hour) => isAllowed(new Date(Date.UTC(2026, 10, 28, hour, 59))));
    expect(allowed).toHaveLength(count);
  });

  it('have the first hour, and not the last one', () => {
    const isAllowed = indexHours('22-4');
    const at = (hour: number): boolean => isAllowed(new Date(Date.UTC(2026, 10, 28, hour)));
    expect([21, 22, 0, 3, 4].map(at)).toEqual([false, true, true, true, false]);
  });
});
