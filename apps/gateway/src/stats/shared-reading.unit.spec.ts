import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SharedReading } from './shared-reading.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Reads numbers, each of which takes so long. */
function counted(tookMs: number): { reading: SharedReading<number>; readings: () => number } {
  let readings = 0;
  const read = async (): Promise<number> => {
    readings += 1;
    const own = readings;
    await new Promise((resolve) => setTimeout(resolve, tookMs));
    return own;
  };
  return { reading: new SharedReading(read), readings: () => readings };
}

describe('a shared reading', () => {
  it('is begun after the question, and one for all that ask meanwhile', async () => {
    const { reading, readings } = counted(10);
    const first = reading.ask();
    const others = [reading.ask(), reading.ask(), reading.ask()];
    await jest.advanceTimersByTimeAsync(30);
    expect([await first, ...(await Promise.all(others))]).toEqual([1, 2, 2, 2]);
    const later = reading.ask();
    await jest.advanceTimersByTimeAsync(10);
    expect([await later, readings()]).toEqual([3, 3]);
  });

  it('that took long is kept in proportion, but for who cannot use an older one', async () => {
    const { reading, readings } = counted(100);
    const first = reading.ask();
    await jest.advanceTimersByTimeAsync(100);
    await first;
    await jest.advanceTimersByTimeAsync(300);
    expect([await reading.ask(), readings()]).toEqual([1, 1]);
    const again = reading.askAgain();
    await jest.advanceTimersByTimeAsync(100);
    expect(await again).toBe(2);
    await jest.advanceTimersByTimeAsync(500);
    const later = reading.ask();
    await jest.advanceTimersByTimeAsync(100);
    expect(await later).toBe(3);
  });

  it('that failed is read again by the next', async () => {
    let readings = 0;
    const reading = new SharedReading(async () => {
      readings += 1;
      return readings === 1 ? Promise.reject(new Error('no answer')) : Promise.resolve(readings);
    });
    await expect(reading.ask()).rejects.toThrow('no answer');
    expect(await reading.ask()).toBe(2);
  });
});
