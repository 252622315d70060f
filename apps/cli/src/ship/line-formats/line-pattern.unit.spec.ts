import { describe, expect, it } from '@jest/globals';
import { LinePattern, lineOfGroups, SlowPatternError } from './line-pattern.js';

describe("an expression of the user's", () => {
  it('gives the named groups of each line', () => {
    const pattern = new LinePattern('^<(?<level>\\w+)> (?:(?<id>\\d+) )?(?<message>.*)$');
    expect(pattern.names).toEqual(['level', 'id', 'message']);
    const [first, second, third] = pattern.match(['<WARN> 7 hot', '<odd> cold', 'none']);
    expect(lineOfGroups('<WARN> 7 hot', first)).toMatchObject({
      level: 'warn',
      message: 'hot',
      fields: { id: '7' },
    });
    expect(lineOfGroups('<odd> cold', second)).toMatchObject({
      level: 'odd',
      message: 'cold',
      fields: undefined,
    });
    expect(lineOfGroups('none', third)).toMatchObject({ message: 'none', time: undefined });
    expect(lineOfGroups('x', { time: '2026/11/22 10:00:00' }).time?.clock.hour).toBe(10);
    expect(lineOfGroups('x', { time: 'yesterday' }).time).toBeUndefined();
  });

  it('ends after a second, and says on which line', () => {
    const pattern = new LinePattern('^(a+)+$');
    let caught: unknown;
    try {
      pattern.match(['aaa', `${'a'.repeat(60)}!`, 'a']);
    } catch (error) {
      caught = error;
    }
    expect(caught).toBeInstanceOf(SlowPatternError);
    expect((caught as SlowPatternError).line).toBe(1);
    expect(pattern.match(['aaa'])).toHaveLength(1);
  });

  it('is bounded in its length and its groups', () => {
    expect(() => new LinePattern('a'.repeat(1_001))).toThrow(RangeError);
    expect(() => new LinePattern('()'.repeat(33))).toThrow(RangeError);
    expect(() => new LinePattern('(')).toThrow(SyntaxError);
    expect(new LinePattern('()'.repeat(32)).names).toEqual([]);
  });
});
