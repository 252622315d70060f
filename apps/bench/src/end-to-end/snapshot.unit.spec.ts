import { describe, expect, it } from '@jest/globals';
import { firstSeenUs, parseSnapshot } from './snapshot.js';

describe('parseSnapshot', () => {
  it('reads what Postgres prints', () => {
    expect(parseSnapshot('10:20:10,14,15', 5)).toStrictEqual({
      atUs: 5,
      xmin: 10,
      xmax: 20,
      running: new Set([10, 14, 15]),
    });
    expect(parseSnapshot('10:10:', 5).running.size).toBe(0);
  });

  it('refuses a text of another form', () => {
    expect(() => parseSnapshot('10:20', 5)).toThrow(SyntaxError);
  });
});

describe('firstSeenUs', () => {
  const snapshots = [
    parseSnapshot('10:10:', 1),
    parseSnapshot('10:13:10,12', 2),
    parseSnapshot('12:14:12', 3),
    parseSnapshot('14:14:', 4),
  ];

  it('is the moment of the first snapshot in which the transaction is over', () => {
    expect([9, 10, 11, 12, 13].map((transaction) => firstSeenUs(snapshots, transaction))).toStrictEqual([
      1, 3, 2, 4, 3,
    ]);
  });

  it('is undefined for a transaction that no snapshot sees', () => {
    expect(firstSeenUs(snapshots, 14)).toBeUndefined();
    expect(firstSeenUs([], 1)).toBeUndefined();
  });
});
