import { describe, expect, it } from '@jest/globals';
import { isExposed } from './loss-window.js';

const WINDOWS = [
  { fromMs: 100, untilMs: 200 },
  { fromMs: 500, untilMs: 600 },
];

describe('isExposed', () => {
  it.each([
    ['ended before the copy', 0, 99, false],
    ['ended at the copy', 0, 100, true],
    ['inside', 120, 130, true],
    ['open through all of it', 90, 210, true],
    ['begun at the roll back', 200, 300, true],
    ['begun after the roll back', 201, 499, false],
    ['inside another one', 550, 560, true],
    ['after all of them', 601, 700, false],
    ['never ended, begun before', 0, undefined, true],
    ['never ended, begun after', 601, undefined, false],
  ])('judges an operation that is %s', (_, invokedAtMs, endedAtMs, exposed) => {
    expect(isExposed(WINDOWS, invokedAtMs, endedAtMs)).toBe(exposed);
  });

  it('exposes nothing when nothing was rolled back', () => {
    expect(isExposed([], 1, 2)).toBe(false);
  });
});
