/** What a batch costs a program without an SDK: nothing of its events is read. */
import { describe, expect, it } from '@jest/globals';
import type { Decider } from '../decider.js';
import type { Delivery } from '../delivery.js';
import type { Outcome } from '../outcome.js';
import { withSpans } from './consumer-spans.js';

const unreadable = new Proxy({} as Delivery, {
  get: (_target, name) => {
    throw new Error(`${String(name)} was read`);
  },
});

describe('a decider in a program without an SDK', () => {
  it('decides at once, and no delivery is read for its trace', async () => {
    const outcomes = new Map<number, Outcome>([[1, { kind: 'stored' }]]);
    const calls: unknown[] = [];
    const inner: Decider = {
      isSlow: () => true,
      suspectsAmong: () => Promise.resolve(new Set([7])),
      process: (...given) => {
        calls.push(given);
        return Promise.resolve(outcomes);
      },
      processSuspect: (...given) => {
        calls.push(given);
        return Promise.resolve(outcomes);
      },
    };
    const decider = withSpans(inner, { stream: 'EVENTS', consumer: 'store' });
    const batch = [unreadable];
    expect(await decider.process(3, batch)).toBe(outcomes);
    expect(await decider.processSuspect(4, unreadable)).toBe(outcomes);
    expect([calls.length, (calls[0] as unknown[])[1] === batch]).toEqual([2, true]);
    expect(decider.isSlow(1, 1)).toBe(true);
    expect(await decider.suspectsAmong(1, batch)).toEqual(new Set([7]));
  });
});
