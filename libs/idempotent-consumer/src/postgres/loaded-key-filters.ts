/**
 * The filters of closed generations that this process has in memory, within a bound.
 *
 * A new id is asked of each: 0.95 µs for twenty generations of 5.5 million keys, the hash included. A generation without
 * a filter is suspected of every id. So a filter that is missing costs lookups, and never correctness.
 *
 * Two other layouts were considered. A table of bits with a column for each generation takes 0.35 µs, but its generations
 * need one size, and room for the absent ones. One filter for several generations has to be built again with each.
 *
 * When the filters do not fit, those with the most bits a key are folded first. Folding from 20 bits to 10 costs 1.3 % of
 * false positives, and to 5 bits another 17 %. Of filters with as many bits, the largest is folded first, and the oldest
 * among equals: each costs the same, and the largest frees the most. A filter with less than 5 bits a key would suspect
 * most ids, so it is left out instead.
 */
import { FOLDS, type KeyFilter } from './key-filter.js';
import type { ClosedGeneration, KeyFilters } from './key-filters.js';
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
  /** How many of these found the id. The others are the false positives. */
  readonly found: number;
  /** Lookups in generations whose filter is not loaded, one for each id. */
  readonly unfiltered: number;
}

/**
 * Divides the memory among filters.
 *
 * @returns how often each is folded, by its generation; a generation that is missing gets no memory
 */
export function planFolds(sizes: readonly FilterSize[], bytesMax: number): Map<number, number> {
  const planned = sizes.map((size) => ({ ...size, folds: 0 }));
  const total = (): number => planned.reduce((sum, { bytes }) => sum + bytes, 0);
  // A bound below zero is that of a caller whose other filters take more than all.
  while (planned.length > 0 && total() > bytesMax) {
    planned.sort((a, b) => b.bytes - a.bytes || a.generation - b.generation);
    const foldable = planned.filter((size) => size.folds < FOLDS && bitsPerKey(size) / 2 >= BITS_PER_KEY_MIN);
    const precise = Math.max(...foldable.map(precision));
    const next = foldable.find((size) => precision(size) === precise);
    if (next === undefined) planned.shift();
    else Object.assign(next, { bytes: next.bytes / 2, folds: next.folds + 1 });
  }
  return new Map(planned.map(({ generation, folds }) => [generation, folds]));
}

function bitsPerKey({ bytes, keys }: FilterSize): number {
  return (bytes * 8) / Math.max(keys, 1);
}

/** Filters that can be folded as often have the same. Their bits a key differ a little, because keys are estimated. */
function precision(size: FilterSize): number {
  return Math.round(Math.log2(bitsPerKey(size) / BITS_PER_KEY_MIN));
}

interface LoadedFilter extends ClosedGeneration {
  readonly filter: KeyFilter;
}

/** A closed generation that ids are asked for, with its filter if that is loaded. */
interface AskedGeneration {
  readonly number: number;
  readonly filter: KeyFilter | undefined;
}

/** The filters in memory. One object serves one inbox. */
export class LoadedKeyFilters {
  private readonly hash = new KeyHash();
  private readonly filters = new Map<number, LoadedFilter>();
  /** How often filters were loaded, replaced or removed. */
  private changes = 0;
  private asked = 0;
  private suspected = 0;
  private found = 0;
  private unfiltered = 0;

  /** Returns what says in which of these closed generations an id may be. Filters may be loaded later. */
  readonly over = (closed: readonly ClosedGeneration[]): KeyFilters => {
    // The filters are found once after each change, and not for each id.
    let asked: readonly AskedGeneration[] = [];
    let changes = -1;
    return {
      suspectsOf: (topic, eventId) => {
        if (changes !== this.changes) {
          asked = closed.map((generation) => ({ ...generation, filter: this.filterOf(generation) }));
          changes = this.changes;
        }
        return this.suspectsAmong(asked, topic, eventId);
      },
      found: (generation, ids) => {
        if (this.filters.has(generation)) this.found += ids;
      },
    };
  };

  /** The filter of a generation, if it is loaded. */
  get(generation: number): KeyFilter | undefined {
    return this.filters.get(generation)?.filter;
  }

  /** Uses a filter from now on. It has every key that the generation had when it was closed. */
  set({ number, closedAt }: ClosedGeneration, filter: KeyFilter): void {
    this.filters.set(number, { number, closedAt, filter });
    this.changes++;
  }

  /** Uses the same filter in a folded form. */
  replace(generation: number, filter: KeyFilter): void {
    const loaded = this.filters.get(generation);
    if (loaded !== undefined) this.set(loaded, filter);
  }

  /** Forgets a filter, so that its generation is suspected of every id. */
  remove(generation: number): void {
    this.filters.delete(generation);
    this.changes++;
  }

  /** The generations that have a filter here. */
  get generations(): ClosedGeneration[] {
    return [...this.filters.values()];
  }

  figures(): FilterFigures {
    const filters = [...this.filters.values()].map(({ filter }) => filter);
    return {
      filters: filters.length,
      bytes: filters.reduce((sum, { bytes }) => sum + bytes, 0),
      keys: filters.reduce((sum, { keys }) => sum + keys, 0),
      asked: this.asked,
      suspected: this.suspected,
      found: this.found,
      unfiltered: this.unfiltered,
    };
  }

  /** A filter of another closing of the generation may lack keys. */
  private filterOf({ number, closedAt }: ClosedGeneration): KeyFilter | undefined {
    const loaded = this.filters.get(number);
    return loaded?.closedAt === closedAt ? loaded.filter : undefined;
  }

  private suspectsAmong(
    closed: readonly AskedGeneration[],
    topic: string,
    eventId: string,
  ): readonly number[] {
    this.asked++;
    const { hash } = this;
    hash.compute(topic, eventId);
    const { high, low } = hash;
    let suspects: number[] | undefined;
    for (const { number, filter } of closed) {
      if (filter?.has(high, low) === false) continue;
      if (filter === undefined) this.unfiltered++;
      else this.suspected++;
      suspects ??= [];
      suspects.push(number);
    }
    return suspects ?? NONE;
  }
}
