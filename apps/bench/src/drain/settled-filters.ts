/**
 * The filters of stored keys, as they are when workers have run for a while.
 *
 * A worker builds a missing filter while it drains, and loads those that exist within a moment. So they are built before
 * anything is measured; otherwise the first rounds would pay for them.
 */
import { readWorkerSettings } from '#config';
import { KeyFilterKeeper, KeyFilterStore, LoadedKeyFilters } from '#idempotent-consumer/postgres';
import { filteredTables, STORE_INBOX } from '#store';
import type { ProgramVariables } from '../environment/environment.js';
import { openPool } from './drain.js';

/** The keys of a database, and what a worker will have in memory for them. */
export interface SettledFilters {
  /** The number of generations, the youngest included. */
  readonly generations: number;
  readonly filters: number;
  readonly bytes: number;
}

/**
 * Builds the filters that are missing, as a worker with these settings would.
 *
 * @param url the database
 */
export async function settleFilters(
  url: string,
  workerVariables: ProgramVariables,
  onProgress: (line: string) => void,
): Promise<SettledFilters> {
  const { SEKALI_KEY_FILTER_BYTES_MAX: bytesMax } = readWorkerSettings(workerVariables);
  const pool = openPool(url);
  try {
    const tables = await filteredTables(pool, STORE_INBOX);
    if (tables === undefined) return { generations: 1, filters: 0, bytes: 0 };
    const loaded = new LoadedKeyFilters();
    const note = (_fields: object, text: string): void => {
      onProgress(text);
    };
    const store = new KeyFilterStore(pool, tables, bytesMax);
    const keeper = new KeyFilterKeeper(pool, store, loaded, bytesMax, { info: note, warn: note });
    await keeper.keep();
    const { filters, bytes } = loaded.figures();
    return { generations: keeper.generations, filters, bytes };
  } finally {
    await pool.end();
  }
}
