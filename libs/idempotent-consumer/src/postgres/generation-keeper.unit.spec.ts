/** When the keys begin another generation, and how many generations there are then. */
import { describe, expect, it, jest } from '@jest/globals';
import { keepGenerations, type KeptKeys } from './generation-keeper.js';

const SILENT = { info: () => undefined, warn: () => undefined };
const EVERY_MS = 1_000;

function sumOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

/** Keys that grow by a part of the bound before each check. */
class GrowingKeys implements KeptKeys {
  readonly consumer = 'store';
  readonly closed: number[] = [];
  bytes = 0;

  youngest() {
    const closed = this.closed.reduce((sum, bytes) => sum + bytes, 0);
    return Promise.resolve({
      number: this.closed.length,
      bytes: this.bytes,
      bytesOfAll: closed + this.bytes,
    });
  }

  change(expected: number) {
    if (expected !== this.closed.length) throw new Error(`generation ${expected} is not the youngest`);
    this.closed.push(this.bytes);
    this.bytes = 0;
    return Promise.resolve(this.closed.length);
  }
}

/** Lets keys grow, with a check after each step. */
async function grow(keys: GrowingKeys, bytesMax: number, bytesInAll: number): Promise<void> {
  jest.useFakeTimers();
  const keeper = keepGenerations(() => Promise.resolve([keys]), SILENT, bytesMax, EVERY_MS);
  try {
    const step = bytesMax / 4;
    for (let bytes = 0; bytes < bytesInAll; bytes += step) {
      keys.bytes += step;
      await jest.advanceTimersByTimeAsync(EVERY_MS);
    }
  } finally {
    keeper.stop();
    jest.useRealTimers();
  }
}

describe('the number of generations', () => {
  it('grows with the keys at first, while each has the bytes of the setting', async () => {
    const keys = new GrowingKeys();
    await grow(keys, 100, 1_000);
    expect(keys.closed).toEqual(Array.from({ length: 8 }, () => 125));
  });

  it('grows with the logarithm of the keys later, and the youngest stays below a tenth of them', async () => {
    const keys = new GrowingKeys();
    await grow(keys, 100, 16_800);
    // With the bytes of the setting alone there would be 134.
    expect(keys.closed.length).toBeGreaterThan(40);
    expect(keys.closed.length).toBeLessThan(55);
    const shares = keys.closed.map((bytes, at) => bytes / sumOf(keys.closed.slice(0, at + 1)));
    expect(Math.max(...shares.slice(17))).toBeLessThan(0.1);
  });

  it('does not grow while no key is stored', async () => {
    const keys = new GrowingKeys();
    await grow(keys, 0, 0);
    expect(keys.closed).toEqual([]);
  });
});
