import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { repeatWork } from './repeated-work.js';

const EVERY_MS = 1_000;
const FAILURE = new RangeError('no room');

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('repeated work', () => {
  it('begins at once and then each time, and leaves out a pass while one is under way', async () => {
    const ends: (() => void)[] = [];
    const work = (): Promise<void> => new Promise((resolve) => ends.push(resolve));
    const { stop } = repeatWork(work, { everyMs: EVERY_MS, onFailure: () => undefined });
    expect(ends).toHaveLength(1);
    await jest.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(ends).toHaveLength(1);
    ends[0]?.();
    await jest.advanceTimersByTimeAsync(EVERY_MS);
    expect(ends).toHaveLength(2);
    ends[1]?.();
    stop();
    await jest.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(ends).toHaveLength(2);
  });

  it('goes on after a failure, which it reports', async () => {
    const reasons: string[] = [];
    const options = { everyMs: EVERY_MS, onFailure: (reason: string) => reasons.push(reason) };
    const { stop } = repeatWork(() => Promise.reject(FAILURE), { ...options, beginsAtOnce: false });
    await jest.advanceTimersByTimeAsync(EVERY_MS - 1);
    expect(reasons).toEqual([]);
    await jest.advanceTimersByTimeAsync(EVERY_MS + 1);
    expect(reasons).toEqual(['RangeError: no room', 'RangeError: no room']);
    stop();
  });

  it('reports no failure of a pass that was under way when it was stopped', async () => {
    const reasons: string[] = [];
    let fail = (): void => undefined;
    const work = (): Promise<void> =>
      new Promise((_, reject) => {
        fail = () => {
          reject(FAILURE);
        };
      });
    const { stop } = repeatWork(work, { everyMs: EVERY_MS, onFailure: (reason) => reasons.push(reason) });
    stop();
    fail();
    await jest.advanceTimersByTimeAsync(EVERY_MS);
    expect(reasons).toEqual([]);
  });
});
