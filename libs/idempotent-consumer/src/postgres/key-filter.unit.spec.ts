/** A filter never forgets a key, and suspects as few others as the theory says. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { KeyFilter } from './key-filter.js';

const half = fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 });
const key = fc.tuple(half, half);

/** Pseudorandom halves of hashes, the same in every run (xorshift of Marsaglia). */
function* halves(seed: number): Generator<number, never> {
  for (let state = seed; ;) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    yield state;
  }
}

/** The share of false positives: a block has a Poisson-distributed number of keys, each with a bit of 32 in 8 words. */
function expectedShare(bitsPerKey: number): number {
  const mean = 256 / bitsPerKey;
  let [share, probability] = [0, Math.exp(-mean)];
  for (let keys = 0; keys < 20 * mean; keys++) {
    share += probability * (1 - (31 / 32) ** keys) ** 8;
    probability *= mean / (keys + 1);
  }
  return share;
}

function filled(keys: number, bitsPerKey: number): KeyFilter {
  const filter = KeyFilter.forKeys(keys, bitsPerKey);
  const random = halves(1);
  for (let n = 0; n < keys; n++) filter.add(random.next().value, random.next().value);
  return filter;
}

function measuredShare(filter: KeyFilter, probes: number): number {
  const random = halves(-12_345);
  let suspected = 0;
  for (let n = 0; n < probes; n++) if (filter.has(random.next().value, random.next().value)) suspected++;
  return suspected / probes;
}

describe('a filter of keys', () => {
  it('never forgets a key, however often it is folded', () => {
    fc.assert(
      fc.property(fc.array(key, { maxLength: 200 }), fc.integer({ min: 1, max: 5_000 }), (keys, size) => {
        const filter = KeyFilter.forKeys(size, 10);
        for (const [high, low] of keys) filter.add(high, low);
        for (let folded: KeyFilter | undefined = filter; folded; folded = folded.folded())
          expect(keys.every(([high, low]) => folded.has(high, low))).toBe(true);
      }),
    );
  });

  it('has nothing when it is empty', () => {
    fc.assert(fc.property(key, ([high, low]) => !KeyFilter.forKeys(100, 10).has(high, low)));
  });

  it.each([
    [20, 0],
    [10, 0],
    [5, 0],
    [20, 1],
    [20, 2],
  ])('has the false positives of the theory at %i bits a key, folded %i times', (bits, folds) => {
    const keys = 100_000;
    let filter = filled(keys, bits);
    for (let n = 0; n < folds; n++) filter = filter.folded() ?? filter;
    const expected = expectedShare((filter.bytes * 8) / keys);
    expect(filter.bytes * 8).toBeCloseTo((keys * bits) / 2 ** folds, -5);
    const measured = measuredShare(filter, 200_000);
    expect(measured).toBeGreaterThan(expected * 0.6);
    expect(measured).toBeLessThan(expected * 1.4);
  });

  it('takes ten bits a key for 1.3 % false positives', () => {
    expect(expectedShare(10)).toBeCloseTo(0.0126, 3);
  });

  it('gives the same answers when its parts are merged in any order, folded or not', () => {
    const filter = filled(20_000, 10);
    const parts = [0, 1, 2, 3].map((part) =>
      filter.words.subarray((part * filter.words.length) / 4, ((part + 1) * filter.words.length) / 4),
    );
    for (const folds of [0, 1, 2]) {
      const merged = KeyFilter.ofWords(filter.words.length, folds);
      for (const part of [2, 0, 3, 1])
        merged.merge(parts[part] as Uint32Array, (part * filter.words.length) / 4, folds);
      let expected: KeyFilter = filter;
      for (let n = 0; n < folds; n++) expected = expected.folded() as KeyFilter;
      expect(Buffer.from(merged.words.buffer).equals(Buffer.from(expected.words.buffer))).toBe(true);
    }
  });

  it.each([0, 7, 8 * (2 ** 24 + 1)])('cannot have %i words', (words) => {
    expect(() => KeyFilter.ofWords(words, 0)).toThrow(RangeError);
  });
});
