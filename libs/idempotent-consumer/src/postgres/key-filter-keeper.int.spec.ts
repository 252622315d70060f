/** A keeper loads what is stored, builds what is missing, mends what is damaged, and stays within its memory. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createTestSystem, type TestSystem } from '#testing';
import { changeKeyGeneration, createInbox, storeInboxTables } from '#store';
import { KeyFilterKeeper } from './key-filter-keeper.js';
import type { KeyFilter } from './key-filter.js';
import { type BuildOptions, type FilteredTables, KeyFilterStore } from './key-filter-store.js';
import type { ClosedGeneration } from './key-filters.js';
import { LoadedKeyFilters } from './loaded-key-filters.js';

const BYTES_MAX = 134_217_728;
const KEYS = 1_000;
const SILENT = { info: () => undefined, warn: () => undefined };

let system: TestSystem;
let consumers = 0;
let tables: FilteredTables;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});

beforeEach(async () => {
  const consumer = `c${++consumers}`;
  await createInbox(system.pool, consumer);
  tables = storeInboxTables(consumer) as FilteredTables;
  await closeGeneration(0);
  await system.pool.query('SELECT sekali.make_key_filter($1)', [consumer]);
});

afterAll(async () => {
  await system.dispose();
});

async function closeGeneration(number: number): Promise<void> {
  await system.pool.query(
    `INSERT INTO ${tables.key}${number === 0 ? '' : `_g${number}`} (topic, event_id, stream_id, seq, digest)
     SELECT 't', $1 || '-' || n, 1, n, 0 FROM generate_series(1, $2::integer) n`,
    [String(number), KEYS],
  );
  expect(await changeKeyGeneration(system.pool, `c${consumers}`, number)).toBe(number + 1);
}

interface Kept {
  readonly keeper: KeyFilterKeeper;
  readonly loaded: LoadedKeyFilters;
  readonly lines: string[];
}

function keeperWith(bytesMax = BYTES_MAX, pool: Pick<Pool, 'query'> = system.pool): Kept {
  const lines: string[] = [];
  const note = (_: object, text: string): void => void lines.push(text);
  const loaded = new LoadedKeyFilters();
  const store = new KeyFilterStore(system.pool, tables, bytesMax);
  const keeper = new KeyFilterKeeper(pool, store, loaded, bytesMax, { info: note, warn: note });
  return { keeper, loaded, lines };
}

async function suspectsOf(loaded: LoadedKeyFilters, eventId: string): Promise<readonly number[]> {
  const closed = await new KeyFilterStore(system.pool, tables, BYTES_MAX).list();
  return loaded.over(closed).suspectsOf('t', eventId);
}

describe('a keeper of filters', () => {
  it('builds what is missing and loads it, and does nothing more', async () => {
    await closeGeneration(1);
    const { keeper, loaded, lines } = keeperWith();
    await keeper.keep();
    expect(lines.sort()).toEqual([
      'filter of keys built',
      'filter of keys built',
      'filter of keys loaded',
      'filter of keys loaded',
    ]);
    expect(loaded.figures()).toMatchObject({ filters: 2, keys: 2 * KEYS });
    expect(await suspectsOf(loaded, '0-7')).toEqual([0]);
    expect(await suspectsOf(loaded, '1-7')).toEqual([1]);
    await keeper.keep();
    expect(lines).toHaveLength(4);
  });

  it('loads what another process has built, also a generation that is closed later', async () => {
    await keeperWith().keeper.keep();
    const { keeper, loaded, lines } = keeperWith();
    await keeper.keep();
    expect(lines).toEqual(['filter of keys loaded']);
    await closeGeneration(1);
    expect(await suspectsOf(loaded, 'new')).toEqual([1]);
    await keeperWith().keeper.keep();
    await keeper.keep();
    expect(await suspectsOf(loaded, 'new')).toEqual([]);
  });

  it('discards a damaged filter, builds it again, and says so', async () => {
    await keeperWith().keeper.keep();
    await system.pool.query(`UPDATE ${tables.keyFilter} SET bits = set_bit(bits, 5, 1 - get_bit(bits, 5))`);
    const { keeper, loaded, lines } = keeperWith();
    await keeper.keep();
    expect(await suspectsOf(loaded, 'new')).toEqual([0]);
    await keeper.keep();
    expect(lines).toEqual(['filter of keys discarded', 'filter of keys built', 'filter of keys loaded']);
    expect(await suspectsOf(loaded, '0-7')).toEqual([0]);
  });

  it('forgets a filter when the generation was closed once more, and builds it again', async () => {
    const { keeper, loaded } = keeperWith();
    await keeper.keep();
    await system.pool.query(
      `UPDATE ${tables.keyGeneration} SET closed_at = clock_timestamp() WHERE number = 0`,
    );
    expect(await suspectsOf(loaded, 'new')).toEqual([0]);
    await keeper.keep();
    expect(await suspectsOf(loaded, 'new')).toEqual([]);
    expect(await suspectsOf(loaded, '0-7')).toEqual([0]);
  });

  it('folds filters when another one needs memory, and leaves out what does not fit', async () => {
    const first = keeperWith();
    await first.keeper.keep();
    const { bytes } = first.loaded.figures();
    await closeGeneration(1);
    await first.keeper.keep();
    const tight = keeperWith(Math.floor(bytes * 1.5));
    await tight.keeper.keep();
    expect(tight.loaded.figures()).toMatchObject({ filters: 2, bytes: bytes * 1.5 });
    const none = keeperWith(0);
    await none.keeper.keep();
    await none.keeper.keep();
    expect(none.loaded.figures()).toMatchObject({ filters: 0, bytes: 0 });
    expect(none.lines).toHaveLength(2);
    expect(await suspectsOf(none.loaded, 'new')).toEqual([0, 1]);
  });

  it('makes room for a filter before it builds it, so that all of them never take more than their memory', async () => {
    const { keeper, loaded } = keeperWith();
    await keeper.keep();
    const { bytes } = loaded.figures();
    await closeGeneration(1);
    const bytesMax = Math.floor(bytes * 1.3);
    const taken: number[] = [];
    /** Notes what all filters take when the memory of another one is taken. */
    class NotingStore extends KeyFilterStore {
      override build(closed: ClosedGeneration, options: BuildOptions = {}) {
        const onSize = (size: number): void => {
          options.onSize?.(size);
          taken.push(size + loaded.figures().bytes);
        };
        return super.build(closed, { ...options, onSize });
      }
    }
    const store = new NotingStore(system.pool, tables, bytesMax);
    const tight = new KeyFilterKeeper(system.pool, store, loaded, bytesMax, SILENT);
    await tight.keep();
    expect(taken).toHaveLength(1);
    expect(taken[0]).toBeLessThanOrEqual(bytesMax);
    expect(loaded.figures()).toMatchObject({ filters: 2 });
    expect(loaded.figures().bytes).toBeLessThanOrEqual(bytesMax);
  });

  it('loads a filter in its former size when there is room again', async () => {
    const { keeper, loaded } = keeperWith();
    await keeper.keep();
    const { bytes } = loaded.figures();
    loaded.replace(0, loaded.get(0)?.folded() as KeyFilter);
    expect(loaded.figures().bytes).toBe(bytes / 2);
    await keeper.keep();
    expect(loaded.figures().bytes).toBe(bytes);
  });

  it('knows the number of generations', async () => {
    const { keeper } = keeperWith();
    expect(keeper.generations).toBe(1);
    await keeper.keep();
    expect(keeper.generations).toBe(2);
  });

  it('loads nothing when this Postgres hashes otherwise, and says so once', async () => {
    await keeperWith().keeper.keep();
    const query = () => Promise.resolve({ rows: [{ hashes: ['0'] }] });
    const { keeper, loaded, lines } = keeperWith(BYTES_MAX, { query } as unknown as Pool);
    await keeper.keep();
    await keeper.keep();
    expect(loaded.figures().filters).toBe(0);
    expect(lines).toEqual([expect.stringContaining('hashes text otherwise')]);
  });
});
