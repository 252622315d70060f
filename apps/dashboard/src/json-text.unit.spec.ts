/** JSON on the page keeps its digits, and each line knows its place. */
import { describe, expect, it } from '@jest/globals';
import { Digits, jsonLines, printedJson, shortJson } from './json-text.js';

describe('printed JSON', () => {
  it('is what JSON.stringify prints', () => {
    const value = { a: [1, 'x', null, true, []], 'b/c': {}, d: { e: -1.5 } };
    expect(printedJson(value)).toBe(JSON.stringify(value, null, 2).replace('[]', '[]'));
    expect(shortJson(value)).toBe(JSON.stringify(value));
  });

  it('keeps the digits of a number', () => {
    const value = { id: new Digits('12345678901234567890'), amounts: [new Digits('1.10')] };
    expect(shortJson(value)).toBe('{"id":12345678901234567890,"amounts":[1.10]}');
    expect(printedJson(value)).toContain('"id": 12345678901234567890,');
  });

  it('has a JSON pointer for each line', () => {
    expect(jsonLines({ 'a/b': { '~': 1 } })).toEqual([
      { path: '', text: '{' },
      { path: '/a~1b', text: '  "a/b": {' },
      { path: '/a~1b/~0', text: '    "~": 1' },
      { path: '/a~1b', text: '  }' },
      { path: '', text: '}' },
    ]);
  });
});
