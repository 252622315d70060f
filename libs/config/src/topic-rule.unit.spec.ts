import { describe, expect, it } from '@jest/globals';
import { isIndexRule, isRetentionRule } from './topic-rule.js';

describe('a rule about topics', () => {
  const patterns = ['>', 'a', 'a.b', 'a.*', '*.b', 'a.>', '*.>', 'a-b_c.9'];
  const wrong = ['', 'a.', '.a', '>.a', 'a>', 'a b', 'a..b', 'ä'];

  it('has a pattern, and a kind of index or an age', () => {
    for (const pattern of patterns) {
      for (const kind of ['none', 'fields', 'text']) expect(isIndexRule(`${pattern}=${kind}`)).toBe(true);
      expect(isRetentionRule(`${pattern}=7d`)).toBe(true);
      expect(isRetentionRule(`${pattern}=forever`)).toBe(true);
    }
  });

  it('is refused with another pattern, or without what it asks for', () => {
    for (const pattern of wrong) {
      expect(isIndexRule(`${pattern}=text`)).toBe(false);
      expect(isRetentionRule(`${pattern}=7d`)).toBe(false);
    }
    for (const value of ['', '=', '=all', '=TEXT', '=7d', '=text,'])
      expect(isIndexRule(`a${value}`)).toBe(false);
    for (const value of ['', '=0d', '=7', '=99999d', '=text'])
      expect(isRetentionRule(`a${value}`)).toBe(false);
  });
});
