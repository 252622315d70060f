/**
 * Keeps the keys of inboxes in shape that the library itself has created.
 *
 *   first consumer starts ─▶ sizes checked, filters loaded ─▶ last consumer stops
 *
 * A consumer with few keys costs two small queries at intervals, on the pool of its program. A connection for filters is
 * opened only when a generation was closed. It is one of its own, because building a filter takes minutes, and the
 * pool has no connection to spare for that.
 */
import type { Pool } from 'pg';
import { ConsumerFilters, type KeyFigures } from './consumer-filters.js';
import { changeKeyGeneration, youngestGeneration } from './generation-change.js';
import { keepGenerations, type KeptKeys } from './generation-keeper.js';
import type { FiltersFor } from './key-generations.js';
import type { InboxTables } from './inbox-tables.js';
import type { KeyLog } from './key-log.js';
import type { FilteredTables } from './key-filter-store.js';

const GENERATION_BYTES_MAX = 1_073_741_824;
const FILTER_BYTES_MAX = 67_108_864;
const NO_LOG: KeyLog = { info: () => undefined, warn: () => undefined };

const ARE_THERE = 'SELECT to_regclass($1) IS NOT NULL AND to_regclass($2) IS NOT NULL AS present';

/** When generations of keys change, and what their filters may take. Each has a default. */
export interface UpkeepOptions {
  /**
   * The size of the youngest table of keys with its indexes, in bytes, from which on another generation begins. It should
   * stay in the memory of Postgres. The default is 1 GiB; `Infinity` keeps all keys in one table.
   */
  readonly generationBytesMax?: number;
  /**
   * The memory of this process for filters of closed generations, in bytes, which its consumers share. The default is
   * 64 MiB, and 0 takes none.
   */
  readonly filterBytesMax?: number;
  /** How often both are checked, in milliseconds. The default is a minute for generations, and 10 s for filters. */
  readonly upkeepMs?: number;
  /** Receives what the upkeep does, and why it cannot. A logger such as pino fits. By default nothing is logged. */
  readonly log?: KeyLog;
}

/** Runs the upkeep while at least one consumer runs. */
export class OwnUpkeep {
  private readonly running = new Set<string>();
  private readonly filters: ConsumerFilters;
  private keepers: readonly { stop(): void }[] = [];

  /** @param tablesOf returns the tables of a consumer's inbox */
  constructor(
    private readonly pool: Pool,
    private readonly tablesOf: (consumer: string) => InboxTables,
    private readonly options: UpkeepOptions,
  ) {
    const { log = NO_LOG, filterBytesMax: bytesMax = FILTER_BYTES_MAX } = options;
    this.filters = new ConsumerFilters({
      ...{ log, bytesMax },
      openPool: () => poolOfOne(pool),
      // While it finds nothing, the other pool is not used.
      tablesOf: (_database, consumer) => this.filteredTables(consumer),
    });
  }

  /** Returns the filters of a consumer. Call it before `keep`. */
  readonly filtersOf = (consumer: string): FiltersFor | undefined => this.filters.of(consumer);

  /** Returns the generations of each consumer's keys, and what their filters do. */
  readonly figures = (): ReadonlyMap<string, KeyFigures> => this.filters.figures();

  /** Keeps the keys of a consumer in shape until `stop`. */
  readonly keep = (consumer: string): { stop(): void } => {
    if (this.running.size === 0) this.start();
    this.running.add(consumer);
    return {
      stop: () => {
        if (!this.running.delete(consumer) || this.running.size > 0) return;
        for (const keeper of this.keepers) keeper.stop();
      },
    };
  };

  private start(): void {
    const { log = NO_LOG, generationBytesMax = GENERATION_BYTES_MAX, upkeepMs } = this.options;
    const inboxes = (): Promise<KeptKeys[]> =>
      Promise.resolve([...this.running].map((name) => this.keysOf(name)));
    this.keepers = [keepGenerations(inboxes, log, generationBytesMax, upkeepMs), this.filters.keep(upkeepMs)];
  }

  private keysOf(consumer: string): KeptKeys {
    const { pool } = this;
    const tables = this.tablesOf(consumer);
    return {
      consumer,
      youngest: () => youngestGeneration(pool, tables),
      change: (expected) => changeKeyGeneration(pool, tables, expected),
    };
  }

  private async filteredTables(consumer: string): Promise<FilteredTables | undefined> {
    const { key, keyGeneration = '', keyFilter = '' } = this.tablesOf(consumer);
    const { rows } = await this.pool.query<{ present: boolean }>(ARE_THERE, [keyGeneration, keyFilter]);
    return rows[0]?.present === true ? { key, keyGeneration, keyFilter } : undefined;
  }
}

/** Returns a pool of one connection that reaches the same database in the same way. */
function poolOfOne(pool: Pool): Pool {
  const { options } = pool;
  const PoolOfProgram = pool.constructor as new (options: Pool['options']) => Pool;
  // A copy by its members alone would lack the password, which `pg` hides.
  const { password } = options;
  const own = new PoolOfProgram({ ...options, ...(password !== undefined && { password }), max: 1, min: 0 });
  own.on('error', () => undefined);
  return own;
}
