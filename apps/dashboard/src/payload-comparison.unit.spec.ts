/** The payload of a conflict is built out of the stored one and what differs. */
import { describe, expect, it } from '@jest/globals';
import { comparisonOf, type Comparison, type Conflict } from './payload-comparison.js';

type Differences = NonNullable<Conflict['differences']>;

function conflict(differences: Conflict['differences'], isCut = false): Conflict {
  return {
    ...{ kind: 'conflict', at: '', seq: 2, recorded_at: '', messages_later: 1, seconds_later: 1 },
    ...{ differences, more_differences: isCut },
  };
}

const sentBy = (payload: unknown, differences: Differences): unknown =>
  JSON.parse(textOf(comparisonOf(payload, conflict(differences))?.sent ?? []));
const textOf = (lines: Comparison['sent']): string => lines.map(({ text }) => text).join('\n');

describe('a conflict', () => {
  it('has changed, added and removed members', () => {
    const differences = [
      { path: '/a', stored: 1, sent: 2 },
      { path: '/b', stored: true },
      { path: '/c/d', sent: [1] },
    ];
    expect(sentBy({ a: 1, b: true, c: {} }, differences)).toEqual({ a: 2, c: { d: [1] } });
  });

  it('has shorter and longer arrays', () => {
    const shorter = [
      { path: '/a/1', stored: 2 },
      { path: '/a/2', stored: 3 },
    ];
    expect(sentBy({ a: [1, 2, 3] }, shorter)).toEqual({ a: [1] });
    const longer = [
      { path: '/a/1', sent: 2 },
      { path: '/a/2', sent: 3 },
    ];
    expect(sentBy({ a: [1] }, longer)).toEqual({ a: [1, 2, 3] });
  });

  it('marks the lines of what differs', () => {
    const compared = comparisonOf(
      { a: { b: 1 }, c: 1 },
      conflict([{ path: '/a', stored: { b: 1 }, sent: 5 }]),
    );
    const markedIn = (lines: Comparison['sent'] = []): string[] =>
      lines.filter(({ differs }) => differs).map(({ text }) => text.trim());
    expect(markedIn(compared?.stored)).toEqual(['"a": {', '"b": 1', '},']);
    expect(markedIn(compared?.sent)).toEqual(['"a": 5,']);
  });

  it('is not built where something of it is not known', () => {
    expect(comparisonOf({}, conflict(null))).toBeUndefined();
    expect(comparisonOf({}, conflict([], true))).toBeUndefined();
    expect(comparisonOf({}, conflict([{ path: '/a', sent_bytes: 9_000 }]))).toBeUndefined();
  });
});
