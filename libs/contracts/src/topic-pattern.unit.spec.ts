import { describe, expect, it } from '@jest/globals';
import { isTopicPattern, matchesTopic, topicFilterError, topicPatternPrefix } from './topic-pattern.js';

describe('a pattern of topics', () => {
  it('has one token for *, and one or more for > at its end', () => {
    const matching = (pattern: string): string[] =>
      ['logs', 'logs.web', 'logs.web.one', 'logsx.web', 'orders.web'].filter((topic) =>
        matchesTopic(pattern, topic),
      );
    expect(matching('logs.>')).toEqual(['logs.web', 'logs.web.one']);
    expect(matching('logs.*')).toEqual(['logs.web']);
    expect(matching('*.web')).toEqual(['logs.web', 'logsx.web', 'orders.web']);
    expect(matching('>')).toHaveLength(5);
    expect(matching('logs.*.>')).toEqual(['logs.web.one']);
    expect(matching('logs')).toEqual(['logs']);
  });

  it('is valid with its wildcards as whole tokens', () => {
    expect(['a', 'a.*', '*', '>', 'a.*.b.>'].map(topicFilterError)).toEqual(Array(5).fill(undefined));
    for (const text of ['a.>.b', 'a*', 'a..b', '', 'a.> ', 'ü.>'])
      expect(topicFilterError(text)).toBeDefined();
    expect([isTopicPattern('a.*'), isTopicPattern('a>'), isTopicPattern('a.b')]).toEqual([
      true,
      false,
      false,
    ]);
  });

  it('says what all its topics begin with', () => {
    expect(['a.b.>', 'a.*.b', '*.a', '>'].map(topicPatternPrefix)).toEqual(['a.b.', 'a.', '', '']);
  });
});
