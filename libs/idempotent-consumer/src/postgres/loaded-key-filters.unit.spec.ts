/** Filters in memory name each closed generation that may have an id, and stay within their memory. */
import { describe, expect, it } from '@jest/globals';
import { KeyFilter } from './key-filter.js';
import type { ClosedGeneration } from './key-filters.js';
import { KeyHash } from './key-hash.js';
import { LoadedKeyFilters, planFolds } from './loaded-key-filters.js';

const [ZERO, ONE, TWO] = [0, 1, 2].map((number) => ({ number, closedAt: '1.5' })) as [
  ClosedGeneration,
  ClosedGeneration,
  ClosedGeneration,
];

function filterOf(ids: readonly string[]): KeyFilter {
  const filter = KeyFilter.forKeys(1_000, 20);
  const hash = new KeyHash();
  for (const id of ids) {
    hash.compute('orders', id);
    filter.add(hash.high, hash.low);
  }
  return filter;
}

describe('loaded filters', () => {
  it('suspect each closed generation while none is loaded', () => {
    expect(new LoadedKeyFilters().over([ZERO, ONE]).suspectsOf('orders', 'a')).toEqual([0, 1]);
  });

  it('suspect a generation that has the id, and those without a filter', () => {
    const loaded = new LoadedKeyFilters();
    const filters = loaded.over([ZERO, ONE, TWO]);
    loaded.set(ZERO, filterOf(['a']));
    loaded.set(ONE, filterOf(['b']));
    expect(filters.suspectsOf('orders', 'a')).toEqual([0, 2]);
    expect(filters.suspectsOf('orders', 'b')).toEqual([1, 2]);
    expect(filters.suspectsOf('orders', 'new')).toEqual([2]);
    expect(filters.suspectsOf('payments', 'a')).toEqual([2]);
    loaded.remove(0);
    expect(filters.suspectsOf('orders', 'new')).toEqual([0, 2]);
  });

  it('suspect only generations that are closed for the one who asks', () => {
    const loaded = new LoadedKeyFilters();
    loaded.set(ZERO, filterOf([]));
    loaded.set(ONE, filterOf(['a']));
    expect(loaded.over([ZERO]).suspectsOf('orders', 'a')).toEqual([]);
  });

  it('suspect a generation that was closed once more since its filter was built', () => {
    const loaded = new LoadedKeyFilters();
    loaded.set(ZERO, filterOf([]));
    expect(loaded.over([{ number: 0, closedAt: '2.5' }]).suspectsOf('orders', 'new')).toEqual([0]);
  });

  it('count what they take and what they suspect', () => {
    const loaded = new LoadedKeyFilters();
    const filters = loaded.over([ZERO, ONE]);
    loaded.set(ZERO, filterOf(['a', 'b']));
    filters.suspectsOf('orders', 'a');
    filters.suspectsOf('orders', 'new');
    filters.found?.(0, 1);
    filters.found?.(1, 1);
    const { bytes } = filterOf([]);
    const expected = { filters: 1, bytes, keys: 2, asked: 2, suspected: 1, found: 1, unfiltered: 2 };
    expect(loaded.figures()).toEqual(expected);
  });
});

describe('the memory of filters', () => {
  const size = (generation: number, bytes: number, keys: number) => ({ generation, bytes, keys });

  it('is enough for all: none is folded', () => {
    expect(planFolds([size(0, 100, 40), size(1, 100, 40)], 200)).toEqual(
      new Map([
        [0, 0],
        [1, 0],
      ]),
    );
  });

  it('is short: the largest is folded first, and the oldest among equals', () => {
    expect(
      Object.fromEntries(planFolds([size(0, 100, 40), size(1, 400, 160), size(2, 100, 40)], 400)),
    ).toEqual({ 0: 0, 1: 1, 2: 0 });
    expect(Object.fromEntries(planFolds([size(0, 100, 40), size(1, 100, 40)], 160))).toEqual({ 0: 1, 1: 0 });
  });

  it('is short: no filter is folded to five bits a key while another one has twenty', () => {
    const sizes = [size(0, 1_000, 400), size(1, 100, 40), size(2, 100, 40), size(3, 100, 40)];
    // A large one that was built with ten bits is not folded either.
    const all = [...sizes, size(4, 500, 400)];
    expect(Object.fromEntries(planFolds(all, 1_200))).toEqual({ 0: 1, 1: 1, 2: 1, 3: 0, 4: 0 });
    expect(Object.fromEntries(planFolds(all, 1_100))).toEqual({ 0: 2, 1: 1, 2: 1, 3: 1, 4: 0 });
  });

  it('is short: a filter of few keys, which has many bits for each, is folded as often as it can be', () => {
    const folds = planFolds(
      [size(0, 512, 3), size(1, 1_000_000, 400_000), size(2, 1_000_000, 400_000)],
      600_000,
    );
    expect(folds.get(0)).toBe(4);
  });

  it('is too short for five bits a key: the largest filter is left out', () => {
    expect(Object.fromEntries(planFolds([size(0, 100, 90), size(1, 50, 45)], 90))).toEqual({ 1: 0 });
    expect(planFolds([size(0, 100, 80)], 0)).toEqual(new Map());
    expect(planFolds([], -1)).toEqual(new Map());
  });
});
