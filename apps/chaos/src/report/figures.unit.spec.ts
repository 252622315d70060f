import { expect, it } from '@jest/globals';
import { formatBytes, formatCount, formatDuration, formatMoment, TALLY_NAMES } from './figures.js';

it.each([
  [formatCount(1_234_567), '1,234,567'],
  [formatDuration(449), '0.4 s'],
  [formatDuration(59_900), '59.9 s'],
  [formatDuration(119_700), '2 min 00 s'],
  [formatDuration(125_000), '2 min 05 s'],
  [formatMoment(187_900), '03:07'],
  [formatMoment(3_787_000), '1:03:07'],
  [formatBytes(2_000 * 1_048_576), '2,000 MiB'],
])('a report writes %s', (written, expected) => {
  expect(written).toBe(expected);
});

it('has a name of its own for each count', () => {
  const names = Object.values(TALLY_NAMES);
  expect(names).toEqual([...new Set(names)]);
});
