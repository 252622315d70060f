/**
 * Stores keys generation by generation, so that the tables are those that workers leave after as many keys.
 *
 *   generation 0    next to its indexes   ─▶ what a key takes, and how full the pages of the indexes are
 *   further closed  without constraints, which are added when it is full
 *   youngest        next to its indexes
 *
 * Each generation is closed by the product's own function, and by its keeper's rule.
 *
 * Storing 10⁸ keys next to indexes takes half an hour, so three ways were considered. Tables filled apart from the
 * generations and moved among them would have to repeat what the product's function does. Filling closed generations
 * would need their refusal of inserts taken out. So the youngest generation is filled, as in the product.
 */
import type { Pool } from 'pg';
import { isLarge } from '#idempotent-consumer/postgres';
import { changeKeyGeneration, STORE_INBOX, youngestKeyGeneration } from '#store';
import { fillBare, grownTable } from './bare-table.js';
import { keyTable } from './key-tables.js';

/** The default of the product's setting. */
const GENERATION_BYTES = 1_073_741_824;
const KEYS_PER_STEP = 100_000;
/** Steps at once. Workers store several batches at once, too. */
const LANES = 2;

/** How to store. */
export interface GenerationsToStore {
  /** The number of keys; they are numbered from 1. */
  readonly keys: number;
  /** Stores the keys with these numbers in a table of keys. */
  readonly insert: (table: string, first: number, last: number) => Promise<unknown>;
  readonly onProgress: (line: string) => void;
  /** The size from which on a generation is closed; that of the product when left out. */
  readonly generationBytes?: number | undefined;
  /** The keys of one statement. */
  readonly keysPerStep?: number | undefined;
}

/** Stores the keys in the youngest generation, and begins the next one whenever the product would. */
export async function storeGenerations(pool: Pool, stored: GenerationsToStore): Promise<void> {
  const { keys, generationBytes = GENERATION_BYTES, keysPerStep = KEYS_PER_STEP } = stored;
  const steps = new Steps(stored, keysPerStep);
  let youngest = await youngestKeyGeneration(pool, STORE_INBOX);
  while (steps.done < keys && !isLarge(youngest, generationBytes)) {
    await steps.store(keyTable(youngest.number), Math.min(steps.done + LANES * keysPerStep, keys));
    youngest = await youngestKeyGeneration(pool, STORE_INBOX);
  }
  if (steps.done === keys) return;
  const model = await grownTable(pool, keyTable(youngest.number));
  for (;;) {
    const { bytesOfAll } = youngest;
    const number = await nextGeneration(pool, youngest.number);
    const isFull = (bytes: number): boolean =>
      isLarge({ bytes, bytesOfAll: bytesOfAll + bytes }, generationBytes);
    let last = steps.done + keysPerStep;
    while (last < keys && !isFull((last - steps.done) * model.bytesPerRow)) last += keysPerStep;
    const table = keyTable(number);
    if (last >= keys) {
      await steps.store(table, keys);
      return;
    }
    await fillBare(pool, table, {
      model,
      fill: () => steps.store(table, last),
      onIndexing: () => {
        stored.onProgress(`filling the database: building the indexes of generation ${number}`);
      },
    });
    youngest = await youngestKeyGeneration(pool, STORE_INBOX);
  }
}

async function nextGeneration(pool: Pool, youngest: number): Promise<number> {
  const number = await changeKeyGeneration(pool, STORE_INBOX, youngest);
  if (number === undefined) throw new Error(`generation ${youngest} of the keys could not be closed`);
  return number;
}

/** Stores keys in steps, in their order. */
class Steps {
  /** The last key that was stored. */
  done = 0;

  constructor(
    private readonly stored: GenerationsToStore,
    private readonly keysPerStep: number,
  ) {}

  /** Stores the next keys. @param last the last of them */
  async store(table: string, last: number): Promise<void> {
    let next = this.done + 1;
    const lane = async (): Promise<void> => {
      while (next <= last) {
        const first = next;
        next = Math.min(first + this.keysPerStep, last + 1);
        const lastOfStep = next - 1;
        await this.stored.insert(table, first, lastOfStep);
        this.done = Math.max(this.done, lastOfStep);
        this.stored.onProgress(`filling the database: ${this.done} of ${this.stored.keys} keys`);
      }
    };
    await Promise.all(Array.from({ length: LANES }, lane));
  }
}
