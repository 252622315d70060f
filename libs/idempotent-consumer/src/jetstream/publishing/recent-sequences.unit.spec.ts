import { describe, expect, it } from '@jest/globals';
import { RecentSequences } from './recent-sequences.js';

describe('recent sequences', () => {
  it('are remembered for the next 25,000, and forgotten in the end', () => {
    const recent = new RecentSequences();
    recent.add('first', 1);
    for (let seq = 2; seq <= 25_001; seq++) recent.add(`id-${seq}`, seq);
    expect(recent.sequenceOf('first')).toBe(1);
    expect(recent.sequenceOf('id-25001')).toBe(25_001);
    expect(recent.sequenceOf('never')).toBeUndefined();
    for (let seq = 25_002; seq <= 60_000; seq++) recent.add(`id-${seq}`, seq);
    expect(recent.sequenceOf('first')).toBeUndefined();
    expect(recent.sequenceOf('id-36000')).toBe(36_000);
  });
});
