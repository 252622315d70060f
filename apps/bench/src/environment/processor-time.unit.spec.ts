import { describe, expect, it } from '@jest/globals';
import { parseProcessorMs, perEventUs, usedBetween } from './processor-time.js';

/** The line has fields 4 to 13, then user and system time, then the two of ended children, then others. */
const stat = (name: string): string => `4711 (${name}) S 1 2 3 0 -1 4194560 5 6 7 8 100 20 3 1 20 0 1 0 999`;

describe('processor time', () => {
  it.each(['node', 'postgres: a (b) c', ') S 1 1'])('is read from the line of %s', (name) => {
    expect(parseProcessorMs(stat(name))).toBe(1_240);
  });

  it.each(['', '4711 (node) S 1 2', stat('node').replace('100', 'x')])(
    'is an error for the line %j',
    (text) => {
      expect(() => parseProcessorMs(text)).toThrow('not as expected');
    },
  );

  it('of an event is the time used between two samples, in microseconds', () => {
    const before = { program: 100, postgres: 10, brokers: 1_000 };
    const after = { program: 150, postgres: 30, brokers: 1_100 };
    expect(perEventUs(usedBetween(before, after), 1_000)).toStrictEqual({
      program: 50,
      postgres: 20,
      brokers: 100,
    });
  });
});
