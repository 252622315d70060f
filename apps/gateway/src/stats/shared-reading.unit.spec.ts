import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { SharedReading } from './shared-reading.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

/** Reads numbers. Each reading lasts until `finish`, which sets its duration. */
class Counted {
  readings = 0;
  readonly reading = new SharedReading(async () => this.read());
  private finishReading: (() => void) | undefined;

  /** Ends the current reading, and lets its callers continue. */
  async finish(tookMs: number): Promise<void> {
    jest.advanceTimersByTime(tookMs);
    this.finishReading?.();
    await jest.advanceTimersByTimeAsync(0);
  }

  private async read(): Promise<number> {
    this.readings += 1;
    const own = this.readings;
    await new Promise<void>((resolve) => (this.finishReading = resolve));
    return own;
  }
}

describe('a shared reading', () => {
  it('starts after the request, and serves all requests that come meanwhile', async () => {
    const counted = new Counted();
    const { reading } = counted;
    const first = reading.ask();
    const others = [reading.ask(), reading.ask(), reading.ask()];
    await counted.finish(10);
    await counted.finish(10);
    expect([await first, ...(await Promise.all(others))]).toEqual([1, 2, 2, 2]);
    const later = reading.ask();
    await counted.finish(10);
    expect([await later, counted.readings]).toEqual([3, 3]);
  });

  it('that took long is kept in proportion, except for callers that need a new one', async () => {
    const counted = new Counted();
    const { reading } = counted;
    const first = reading.ask();
    await counted.finish(100);
    await first;
    jest.advanceTimersByTime(300);
    expect([await reading.ask(), counted.readings]).toEqual([1, 1]);
    const again = reading.askAgain();
    await counted.finish(100);
    expect(await again).toBe(2);
    jest.advanceTimersByTime(500);
    const later = reading.ask();
    await counted.finish(100);
    expect(await later).toBe(3);
  });

  it('that failed is repeated by the next request', async () => {
    let readings = 0;
    const reading = new SharedReading(async () => {
      readings += 1;
      return readings === 1 ? Promise.reject(new Error('no answer')) : Promise.resolve(readings);
    });
    await expect(reading.ask()).rejects.toThrow('no answer');
    expect(await reading.ask()).toBe(2);
  });
});
