import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { topicError } from './event.js';
import { topicFromName } from './topic-name.js';

describe('the topic of a name', () => {
  it.each([
    ['a/b:c', 'a_b_c'],
    ['orders.created', 'orders.created'],
    ['com.example/🎉 x', 'com.example___x'],
    ['', '_'],
    ['.a..b.', '_.a._.b._'],
    ['x'.repeat(70), 'x'.repeat(64)],
    [Array(18).fill('a').join('.'), `${'a.'.repeat(15)}a_a_a`],
  ])('of %j is %j', (name, topic) => {
    expect(topicFromName(name)).toBe(topic);
  });

  it('is valid for every name, and the name itself where that is a topic', () => {
    const names = fc.oneof(
      fc.string({ unit: 'binary' }),
      fc.string({ unit: fc.constantFrom('a', '.', '-', '/'), maxLength: 60 }),
    );
    fc.assert(
      fc.property(names, (name) => {
        expect(topicError(topicFromName(name))).toBeUndefined();
        expect(topicFromName(name) === name).toBe(topicError(name) === undefined);
      }),
      { numRuns: 1_000 },
    );
  });
});
