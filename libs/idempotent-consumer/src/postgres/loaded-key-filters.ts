/**
 * The filters of closed generations that this process has in memory, within a bound.
 *
 * A new id is asked of each: 0.95 µs for twenty generations of 5.5 million keys, the hash included. A generation without
 * a filter is suspected of every id. So a filter that is missing costs lookups, and never correctness.
 *
 * Two other layouts were considered. A table of bits with a column for each generation takes 0.35 µs, but its generations
 * need one size, and room for the absent ones. One filter for several generations has to be built again with each.
 *
 * When the filters do not fit, the largest is folded first, the oldest among equals. Folding costs the same false
 * positives whatever it frees, so the largest frees the most for them. A filter with less than 5 bits a key would
 * suspect most ids, so it is left out instead.
 */
import type { KeyFilter } from './key-filter.js';
import type { KeyFilters } from './key-filters.js';
import { KeyHash } from './key-hash.js';

/** With fewer bits a key, a filter is not worth its memory. */
const BITS_PER_KEY_MIN = 5;
const NONE: readonly number[] = [];

/** What is known of a filter before it is loaded. */
export interface FilterSize {
  readonly generation: number;
  readonly bytes: number;
  readonly keys: number;
}

/** What the filters take, and what they are good for. */
export interface FilterFigures {
  readonly filters: number;
  readonly bytes: number;
  readonly keys: number;
  /** Ids that were asked for. */
  readonly asked: number;
  /** Lookups that the filters caused: one for each id and suspected generation that has a filter. */
  readonly suspected: number;
}

/**
 * Divides the memory among filters.
 *
 * @returns how often each is folded, by its generation; a generation that is missing gets no memory
 */
export function planFolds(sizes: readonly FilterSize[], bytesMax: number): Map<number, number> {
  const planned = sizes.map((size) => ({ ...size, folds: 0 }));
  const total = (): number => planned.reduce((sum, { bytes }) => sum + bytes, 0);
  while (total() > bytesMax) {
    planned.sort((a, b) => b.bytes - a.bytes || a.generation - b.generation);
    const next = planned.find(({ bytes, keys }) => (bytes * 4) / Math.max(keys, 1) >= BITS_PER_KEY_MIN);
    if (next === undefined) planned.shift();
    else Object.assign(next, { bytes: next.bytes / 2, folds: next.folds + 1 });
  }
  return new Map(planned.map(({ generation, folds }) => [generation, folds]));
}

/** The filters in memory. One object serves one inbox. */
export class LoadedKeyFilters {
  private readonly hash = new KeyHash();
  private readonly filters = new Map<number, KeyFilter>();
  private asked = 0;
  private suspected = 0;

  /** Returns what says in which of these closed generations an id may be. Filters may be loaded later. */
  readonly over = (closed: readonly number[]): KeyFilters => ({
    suspectsOf: (topic, eventId) => this.suspectsAmong(closed, topic, eventId),
  });

  /** The filter of a generation, if it is loaded. */
  get(generation: number): KeyFilter | undefined {
    return this.filters.get(generation);
  }

  /** Uses a filter from now on. It has every key of the closed generation. */
  set(generation: number, filter: KeyFilter): void {
    this.filters.set(generation, filter);
  }

  /** Forgets a filter, so that its generation is suspected of every id. */
  remove(generation: number): void {
    this.filters.delete(generation);
  }

  /** The generations that have a filter here. */
  get generations(): number[] {
    return [...this.filters.keys()];
  }

  figures(): FilterFigures {
    const filters = [...this.filters.values()];
    return {
      filters: filters.length,
      bytes: filters.reduce((sum, { bytes }) => sum + bytes, 0),
      keys: filters.reduce((sum, { keys }) => sum + keys, 0),
      asked: this.asked,
      suspected: this.suspected,
    };
  }

  private suspectsAmong(closed: readonly number[], topic: string, eventId: string): readonly number[] {
    if (this.filters.size === 0) return closed;
    this.asked++;
    const { hash } = this;
    hash.compute(topic, eventId);
    const { high, low } = hash;
    let suspects: number[] | undefined;
    for (const generation of closed) {
      const filter = this.filters.get(generation);
      if (filter?.has(high, low) === false) continue;
      if (filter !== undefined) this.suspected++;
      suspects ??= [];
      suspects.push(generation);
    }
    return suspects ?? NONE;
  }
}
