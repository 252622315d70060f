/** Loads and builds the filters of closed generations of keys while consumers run. One process at a time builds one. */
import type { Pool } from 'pg';
import type { Queryable } from '#postgres';
import { KeyFilterKeeper } from './key-filter-keeper.js';
import { type FilteredTables, KeyFilterStore } from './key-filter-store.js';
import type { FiltersFor } from './key-generations.js';
import type { KeyLog } from './key-log.js';
import { type FilterFigures, LoadedKeyFilters } from './loaded-key-filters.js';

const EVERY_MS = 10_000;

/** Where the keys of the consumers are, and what their filters may take. */
export interface ConsumerFiltersOptions {
  /** Opens a pool of one connection, which building a filter may need for minutes. It is ended with `stop`. */
  readonly openPool: () => Pool;
  /** Returns the tables that the filters of a consumer need; `undefined` while its keys are in one generation. */
  readonly tablesOf: (database: Queryable, consumer: string) => Promise<FilteredTables | undefined>;
  /** The memory for all filters of the process in bytes; 0 for none. */
  readonly bytesMax: number;
  readonly log: KeyLog;
}

/** The generations of one consumer's keys, and what their filters do. */
export interface KeyFigures extends FilterFigures {
  /** The number of generations, the youngest included. */
  readonly generations: number;
}

/** The filters of the consumers of a process. They share its memory for filters equally. */
export class ConsumerFilters {
  private readonly loaded = new Map<string, LoadedKeyFilters>();
  private readonly keepers = new Map<string, KeyFilterKeeper>();
  private onAdded: () => void = () => undefined;

  constructor(private readonly options: ConsumerFiltersOptions) {}

  /** Returns the filters of a consumer, which `keep` then loads, or `undefined` when they may take no memory. */
  readonly of = (consumer: string): FiltersFor | undefined => {
    if (this.options.bytesMax === 0) return undefined;
    const known = this.loaded.get(consumer);
    if (known !== undefined) return known.over;
    const filters = new LoadedKeyFilters();
    this.loaded.set(consumer, filters);
    // The memory is divided among one more.
    this.keepers.clear();
    this.onAdded();
    return filters.over;
  };

  /** Returns the figures of each consumer by its name. */
  figures(): ReadonlyMap<string, KeyFigures> {
    return new Map(
      [...this.loaded].map(([consumer, loaded]) => [
        consumer,
        { generations: this.keepers.get(consumer)?.generations ?? 1, ...loaded.figures() },
      ]),
    );
  }

  /**
   * Loads and builds what is missing, now and then at intervals. An outage only delays it: an id is looked up in a
   * generation without a filter.
   *
   * @param everyMs the interval in milliseconds
   * @returns `stop` ends it, and gives up a filter that is being built
   */
  keep(everyMs = EVERY_MS): { stop(): void } {
    const pool = this.options.openPool();
    // Those of a former call have its pool, which was ended.
    this.keepers.clear();
    const stopping = new AbortController();
    let isUnderWay = false;
    let isDue = false;
    const keep = (): void => {
      isDue = true;
      if (isUnderWay || stopping.signal.aborted) return;
      isUnderWay = true;
      isDue = false;
      void this.tryToKeep(pool, stopping.signal).finally(() => {
        isUnderWay = false;
        if (isDue) keep();
      });
    };
    keep();
    this.onAdded = keep;
    const timer = setInterval(keep, everyMs);
    return {
      stop: () => {
        clearInterval(timer);
        stopping.abort();
        void pool.end();
      },
    };
  }

  private async tryToKeep(pool: Pool, signal: AbortSignal): Promise<void> {
    try {
      await this.keepAll(pool, signal);
    } catch (error) {
      if (signal.aborted) return;
      this.options.log.warn({ reason: String(error) }, 'filters of keys could not be kept; trying again');
    }
  }

  private async keepAll(pool: Pool, signal: AbortSignal): Promise<void> {
    for (const [consumer, loaded] of this.loaded) {
      const tables = await this.options.tablesOf(pool, consumer);
      if (tables === undefined) continue;
      const keeper = this.keepers.get(consumer) ?? this.keeperOf(pool, consumer, tables);
      this.keepers.set(consumer, keeper);
      const { filters, bytes } = loaded.figures();
      await keeper.keep(signal);
      const figures = loaded.figures();
      if (figures.filters === filters && figures.bytes === bytes) continue;
      this.options.log.info({ consumer, generations: keeper.generations, ...figures }, 'filters of keys');
    }
  }

  private keeperOf(pool: Pool, consumer: string, tables: FilteredTables): KeyFilterKeeper {
    const { log } = this.options;
    const bytesMax = Math.floor(this.options.bytesMax / this.loaded.size);
    const loaded = this.loaded.get(consumer) ?? new LoadedKeyFilters();
    return new KeyFilterKeeper(pool, new KeyFilterStore(pool, tables, bytesMax), loaded, bytesMax, {
      info: (fields, text) => {
        log.info({ consumer, ...fields }, text);
      },
      warn: (fields, text) => {
        log.warn({ consumer, ...fields }, text);
      },
    });
  }
}
