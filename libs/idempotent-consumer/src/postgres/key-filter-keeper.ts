/**
 * Keeps the filters of one inbox complete: it loads what is stored, and builds what is missing.
 *
 *   closed ─build (one process of all)─▶ stored ─load (each process)─▶ loaded
 *                 ▲                         │
 *                 └──discard a damaged one──┘
 *
 * Nothing waits for it. Until a filter is loaded, ids are looked up in its generation.
 */
import type { Queryable } from '#postgres';
import { agreesWithPostgres } from './key-hash.js';
import { DamagedFilterError, type FilterState, type KeyFilterStore } from './key-filter-store.js';
import { type LoadedKeyFilters, planFolds } from './loaded-key-filters.js';

const WORD_BYTES = 4;
/** A share of the table after which the progress of building is logged once more. */
const PROGRESS_STEP = 0.1;

/** Where the keeper reports to. */
export interface KeyFilterLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}

/** Keeps the filters of one inbox. */
export class KeyFilterKeeper {
  private isAgreed: boolean | undefined;
  private readonly leftOut = new Set<number>();

  /**
   * @param database the database of the store
   * @param loaded gets the filters
   * @param bytesMax the memory for all of them together
   */
  constructor(
    private readonly database: Queryable,
    private readonly store: KeyFilterStore,
    private readonly loaded: LoadedKeyFilters,
    private readonly bytesMax: number,
    private readonly log: KeyFilterLog,
  ) {}

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
    const stored = states.flatMap((state) => (state.stored ? [{ ...state, ...state.stored }] : []));
    const sizes = stored.map(({ number, words, keys }) => ({
      generation: number,
      bytes: words * WORD_BYTES,
      keys,
    }));
    const plan = planFolds(sizes, this.bytesMax);
    // Memory is freed before more is taken.
    for (const { number, words } of stored) this.shrink(number, words, plan.get(number));
    for (const state of stored) {
      const folds = plan.get(state.number);
      if (folds !== undefined && this.loaded.get(state.number) === undefined) await this.load(state, folds);
    }
  }

  private shrink(number: number, words: number, folds: number | undefined): void {
    if (folds === undefined) {
      this.loaded.remove(number);
      this.warnOfLeftOut(number);
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
      const built = await this.store.build(state, signal, this.progressOf(state.number));
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
