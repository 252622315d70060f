/**
 * Keeps the filters of one inbox complete: it loads what is stored, and builds what is missing.
 *
 *   closed ─build (one process of all)─▶ stored ─load (each process)─▶ loaded
 *                 ▲                         │
 *                 └──discard a damaged one──┘
 *
 * Nothing waits for it. Until a filter is loaded, ids are looked up in its generation.
 *
 * Promise: the filters take no more than their memory, with the one that is being built. Before it is built, the others
 * are folded as far as it needs. They are loaded in their former size again when there is room.
 */
import type { Queryable } from '#postgres';
import { agreesWithPostgres } from './key-hash.js';
import { DamagedFilterError, type FilterState, type KeyFilterStore } from './key-filter-store.js';
import type { KeyLog } from './key-log.js';
import { type LoadedKeyFilters, planFolds } from './loaded-key-filters.js';

const WORD_BYTES = 4;
/** A share of the table after which the progress of building is logged once more. */
const PROGRESS_STEP = 0.1;

/** Keeps the filters of one inbox. */
export class KeyFilterKeeper {
  private isAgreed: boolean | undefined;
  private readonly leftOut = new Set<number>();
  private closedCount = 0;

  /**
   * @param database the database of the store
   * @param loaded gets the filters
   * @param bytesMax the memory for all of them together, in bytes
   */
  constructor(
    private readonly database: Queryable,
    private readonly store: KeyFilterStore,
    private readonly loaded: LoadedKeyFilters,
    private readonly bytesMax: number,
    private readonly log: KeyLog,
  ) {}

  /** The number of generations, the youngest included, as they were found last. */
  get generations(): number {
    return this.closedCount + 1;
  }

  /**
   * Loads and builds until nothing is missing, or another process builds what is missing. A filter that it discards is
   * built again by the next call.
   *
   * @param signal stops it
   * @throws what Postgres says, and the reason of the signal; filters that are loaded stay in use
   */
  async keep(signal?: AbortSignal): Promise<void> {
    while (signal?.aborted !== true) {
      const states = await this.store.list();
      this.closedCount = states.length;
      this.forgetOthers(states);
      if (states.length === 0 || !(await this.hashAgrees())) return;
      await this.loadStored(states);
      if (!(await this.buildNext(states, signal))) return;
    }
  }

  /** Forgets filters of generations that are not closed, or were closed once more since. */
  private forgetOthers(states: readonly FilterState[]): void {
    const closings = new Map(states.map(({ number, closedAt }) => [number, closedAt]));
    for (const { number, closedAt } of this.loaded.generations)
      if (closings.get(number) !== closedAt) this.loaded.remove(number);
  }

  private async hashAgrees(): Promise<boolean> {
    if (this.isAgreed === undefined) {
      this.isAgreed = await agreesWithPostgres(this.database);
      if (!this.isAgreed)
        this.log.warn({}, 'no filters of keys: this Postgres hashes text otherwise; each id is looked up');
    }
    return this.isAgreed;
  }

  private async loadStored(states: readonly FilterState[]): Promise<void> {
    // Memory is freed before more is taken.
    const plan = this.shrinkTo(states, this.bytesMax);
    for (const state of states) {
      const folds = plan.get(state.number);
      if (state.stored === undefined) continue;
      if (folds === undefined) this.warnOfLeftOut(state.number);
      else if (!this.isLoaded(state.number, state.stored.words / 2 ** folds)) await this.load(state, folds);
    }
  }

  /** Whether a filter is loaded in this size. It is smaller since another one was built. */
  private isLoaded(number: number, words: number): boolean {
    const filter = this.loaded.get(number);
    return filter !== undefined && filter.words.length >= words;
  }

  /** Folds and removes loaded filters until they take no more. @returns how often each may be folded: see `planFolds` */
  private shrinkTo(states: readonly FilterState[], bytesMax: number): ReadonlyMap<number, number> {
    const stored = states.flatMap(({ number, stored }) =>
      stored ? [{ generation: number, ...stored }] : [],
    );
    const plan = planFolds(
      stored.map(({ generation, words, keys }) => ({ generation, keys, bytes: words * WORD_BYTES })),
      bytesMax,
    );
    for (const { generation, words } of stored) this.shrink(generation, words, plan.get(generation));
    return plan;
  }

  private shrink(number: number, words: number, folds: number | undefined): void {
    if (folds === undefined) {
      this.loaded.remove(number);
      return;
    }
    let filter = this.loaded.get(number);
    while (filter !== undefined && filter.words.length > words / 2 ** folds) filter = filter.folded();
    if (filter !== undefined) this.loaded.replace(number, filter);
  }

  private warnOfLeftOut(number: number): void {
    if (this.leftOut.has(number)) return;
    this.leftOut.add(number);
    this.log.warn(
      { generation: number, bytesMax: this.bytesMax },
      'the filter of a generation of keys does not fit in its memory; each id is looked up there',
    );
  }

  private async load(state: FilterState, folds: number): Promise<void> {
    const startedAt = performance.now();
    this.loaded.remove(state.number);
    try {
      const filter = await this.store.load(state, folds);
      this.loaded.set(state, filter);
      const { keys, bytes } = filter;
      const ms = Math.round(performance.now() - startedAt);
      this.log.info({ generation: state.number, keys, bytes, ms }, 'filter of keys loaded');
    } catch (error) {
      if (!(error instanceof DamagedFilterError)) throw error;
      await this.store.discard(state.number);
      this.log.warn({ generation: state.number, reason: error.message }, 'filter of keys discarded');
    }
  }

  /** Builds the first filter that is missing. @returns whether there may be more to do */
  private async buildNext(states: readonly FilterState[], signal: AbortSignal | undefined): Promise<boolean> {
    for (const state of states) {
      if (state.stored !== undefined) continue;
      const startedAt = performance.now();
      const built = await this.store.build(state, {
        ...(signal && { signal }),
        onSize: (bytes) => this.shrinkTo(states, this.bytesMax - bytes),
        onProgress: this.progressOf(state.number),
      });
      if (built === undefined) continue;
      const ms = Math.round(performance.now() - startedAt);
      this.log.info({ generation: state.number, ...built, ms }, 'filter of keys built');
      return true;
    }
    return false;
  }

  private progressOf(generation: number): (share: number) => void {
    let next = PROGRESS_STEP;
    return (share) => {
      if (share < next || share === 1) return;
      next = share + PROGRESS_STEP;
      this.log.info({ generation, share: Number(share.toFixed(2)) }, 'building a filter of keys');
    };
  }
}
