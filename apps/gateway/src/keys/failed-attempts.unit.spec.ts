import { describe, expect, it } from '@jest/globals';
import { FailedAttempts } from './failed-attempts.js';

function attempts(): {
  fail: (client: string, times: number) => (number | undefined)[];
  lines: string[];
  clock: { now: number };
} {
  const lines: string[] = [];
  const clock = { now: 0 };
  const failed = new FailedAttempts(
    ({ client, failures }, message) => lines.push(`${client} ${failures} ${message}`),
    'key',
    () => clock.now,
  );
  const fail = (client: string, times: number): (number | undefined)[] =>
    Array.from({ length: times }, () => failed.note({ client, requestId: 'r', reason: 'unknown key' }));
  return { fail, lines, clock };
}

describe('failed attempts', () => {
  it('are bounded for each client, until its minute is over', () => {
    const { fail, clock } = attempts();
    expect(new Set(fail('a', 100))).toEqual(new Set([undefined]));
    clock.now = 20_000;
    expect(fail('a', 2)).toEqual([40, 40]);
    expect(fail('b', 1)).toEqual([undefined]);
    clock.now = 60_000;
    expect(fail('a', 1)).toEqual([undefined]);
  });

  it('are said when they begin and when they are too many, not each time', () => {
    const { fail, lines } = attempts();
    fail('a', 500);
    fail('b', 3);
    expect(lines).toEqual([
      'a 1 a request had no valid key',
      'a 101 too many requests had no valid key; more are refused with 429',
      'b 1 a request had no valid key',
    ]);
  });

  it('fill neither the log nor the memory, from however many addresses they come', () => {
    const { fail, lines, clock } = attempts();
    fail('first', 101);
    for (let n = 0; n < 10_000; n += 1) fail(`client-${n}`, 1);
    expect(lines).toHaveLength(100);
    expect(lines.at(-1)).toContain('says nothing more of this');
    // The first client was forgotten in favour of the others.
    expect(fail('first', 1)).toEqual([undefined]);
    clock.now = 60_000;
    fail('late', 1);
    expect(lines.at(-1)).toBe('late 1 a request had no valid key');
  });
});
