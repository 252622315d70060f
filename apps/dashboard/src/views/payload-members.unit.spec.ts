/** Which members of a payload are offered as conditions. */
import { describe, expect, it } from '@jest/globals';
import { Digits } from '../json-text.js';
import { conditionOf, payloadMembers } from './payload-members.js';

describe('the members of a payload', () => {
  it('are those with a single value, at any depth', () => {
    const payload = {
      status: 500,
      user: { name: 'Ann "A"', admin: false, none: null },
      total: new Digits('1.10'),
      lines: [{ sku: 'A' }],
      'a.b': 1,
      'c:d': 2,
      empty: {},
    };
    expect(payloadMembers(payload)).toEqual([
      { path: 'payload.status', value: '500' },
      { path: 'payload.user.name', value: '"Ann \\"A\\""' },
      { path: 'payload.user.admin', value: 'false' },
      { path: 'payload.user.none', value: 'null' },
      { path: 'payload.total', value: '1.10' },
    ]);
  });

  it('have conditions that the gateway takes, and no longer ones', () => {
    expect(conditionOf('payload.a', 'x y')).toBe('payload.a:"x y"');
    expect(conditionOf('payload.a', new Digits('12345678901234567890'))).toBe(
      'payload.a:12345678901234567890',
    );
    expect(conditionOf('payload.a', { b: 1 })).toBeUndefined();
    expect(conditionOf('payload.a', 'x'.repeat(1_100))).toBeUndefined();
    expect(payloadMembers('text')).toEqual([]);
    expect(payloadMembers({ text: 'x'.repeat(2_000), n: 1 })).toEqual([{ path: 'payload.n', value: '1' }]);
  });
});
