/** Filters of closed generations are built once, survive their builder, and are never used when they are damaged. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg, { type Pool } from 'pg';
import { createPool } from '#postgres';
import { changeKeyGeneration, createInbox, grantRights, storeInboxTables } from '#store';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import {
  DamagedFilterError,
  type FilteredTables,
  type FilterState,
  KeyFilterStore,
} from './key-filter-store.js';
import { KeyHash } from './key-hash.js';
import { moveRows } from './moved-rows.js';

const BYTES_MAX = 134_217_728;
/** Enough for two slices and two parts. */
const KEYS = 105_000;
const FEW = 2_000;

let system: TestSystem;
let worker: Pool;
let consumers = 0;
let consumer: string;
let store: KeyFilterStore;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 4, transactionMsMax: 30_000 });
});

beforeEach(async () => {
  consumer = `c${++consumers}`;
  await createInbox(worker, consumer);
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

/** Closes a generation with as many keys, named `<prefix>-<n>`. */
async function closeWith(keys: number, generation = 0, prefix = 'id'): Promise<void> {
  const table = `sekali.${consumer}_key${generation === 0 ? '' : `_g${generation}`}`;
  await worker.query(
    `INSERT INTO ${table} (topic, event_id, stream_id, seq, digest)
     SELECT 't', $1 || '-' || n, 1, $2::integer * 1000000 + n, 0 FROM generate_series(1, $3::integer) n`,
    [prefix, generation, keys],
  );
  expect(await changeKeyGeneration(worker, consumer, generation)).toBe(generation + 1);
  await worker.query('SELECT sekali.make_key_filter($1)', [consumer]);
  store = new KeyFilterStore(worker, storeInboxTables(consumer) as FilteredTables, BYTES_MAX);
}

async function stateOf(number: number): Promise<FilterState> {
  const state = (await store.list()).find((each) => each.number === number);
  if (state === undefined) throw new Error(`generation ${number} is not closed`);
  return state;
}

/** Loads a filter, and counts the ids `<prefix>-<n>` that it suspects. */
async function suspectsOf(number: number, prefix: string, ids: number, folds = 0): Promise<number> {
  const filter = await store.load(await stateOf(number), folds);
  const hash = new KeyHash();
  let suspects = 0;
  for (let n = 1; n <= ids; n++) {
    hash.compute('t', `${prefix}-${n}`);
    if (filter.has(hash.high, hash.low)) suspects++;
  }
  return suspects;
}

describe('a filter of a closed generation', () => {
  it('has every key of it, and few others, also when it is folded while it is loaded', async () => {
    await closeWith(KEYS);
    const shares: number[] = [];
    const built = await store.build(await stateOf(0), { onProgress: (share) => shares.push(share) });
    expect(built).toMatchObject({ keys: KEYS });
    expect(shares.length).toBeGreaterThan(1);
    expect(shares.at(-1)).toBe(1);
    expect((await stateOf(0)).stored?.keys).toBe(KEYS);
    expect(await suspectsOf(0, 'id', KEYS)).toBe(KEYS);
    expect(await suspectsOf(0, 'new', KEYS)).toBeLessThan(KEYS * 0.001);
    expect(await suspectsOf(0, 'id', KEYS, 2)).toBe(KEYS);
    expect(await suspectsOf(0, 'new', KEYS, 1)).toBeLessThan(KEYS * 0.02);
  });

  it('has the keys of its own generation, and not those of younger ones, which are its children', async () => {
    await closeWith(1_000, 0, 'old');
    await closeWith(1_000, 1, 'young');
    for (const number of [0, 1]) await store.build(await stateOf(number));
    expect((await store.list()).map(({ stored }) => stored?.keys)).toEqual([1_000, 1_000]);
    expect(await suspectsOf(0, 'old', 1_000)).toBe(1_000);
    expect(await suspectsOf(0, 'young', 1_000)).toBeLessThan(10);
    expect(await suspectsOf(1, 'young', 1_000)).toBe(1_000);
  });

  it('is stored in several parts', async () => {
    await closeWith(KEYS);
    await store.build(await stateOf(0));
    const { rows } = await worker.query(`SELECT part FROM sekali.${consumer}_key_filter`);
    const parts = Math.ceil(((await stateOf(0)).stored?.words ?? 0) / 65_536);
    expect(parts).toBeGreaterThan(1);
    expect(rows).toHaveLength(parts);
  });

  it('has keys whose rows were moved while it was built', async () => {
    await closeWith(KEYS);
    let slices = 0;
    const moveOnce = async (): Promise<void> => {
      if (slices++ > 0) return;
      await system.pool.query(moveRows(storeInboxTables(consumer), 'seq <= $3'), [1, 2, KEYS]);
    };
    const built = await store.build(await stateOf(0), { onProgress: moveOnce });
    expect(slices).toBeGreaterThan(1);
    expect(built?.keys).toBe(KEYS);
    expect(await suspectsOf(0, 'id', KEYS)).toBe(KEYS);
  });

  it('gets no more bits than the memory allows, and is not built when that is hopeless', async () => {
    await closeWith(FEW);
    const sized = (bytes: number): KeyFilterStore =>
      new KeyFilterStore(worker, storeInboxTables(consumer) as FilteredTables, bytes);
    expect(await sized(FEW / 4).build(await stateOf(0))).toBeUndefined();
    const built = await sized(FEW).build(await stateOf(0));
    expect(built?.bytes).toBeLessThanOrEqual(FEW);
    expect(await suspectsOf(0, 'id', FEW)).toBe(FEW);
  });
});

describe('building', () => {
  it('is done by one process at a time, and once', async () => {
    await closeWith(FEW);
    const state = await stateOf(0);
    const built = await Promise.all([store.build(state), store.build(state), store.build(state)]);
    expect(built.filter(Boolean)).toHaveLength(1);
    expect(await store.build(state)).toBeUndefined();
  });

  it('may take longer than other transactions of its connections', async () => {
    await closeWith(FEW);
    const brief = new pg.Pool({
      connectionString: system.postgresUrl,
      application_name: 'brief',
      options: '-c transaction_timeout=1000',
    });
    const briefStore = new KeyFilterStore(brief, storeInboxTables(consumer) as FilteredTables, BYTES_MAX);
    const isOld = async (): Promise<boolean> => {
      const { rows } = await system.pool.query(
        `SELECT FROM pg_stat_activity WHERE application_name = 'brief' AND xact_start < clock_timestamp() - interval '1.2 s'`,
      );
      return rows.length > 0;
    };
    const pastBound = (): Promise<unknown> =>
      waitFor(isOld, { timeoutMs: 10_000, describe: 'an old transaction' });
    expect(await briefStore.build(await stateOf(0), { onProgress: pastBound })).toMatchObject({ keys: FEW });
    await brief.end();
  });

  it('leaves nothing when its process dies in the middle, and is done again', async () => {
    await closeWith(FEW);
    const state = await stateOf(0);
    // The server has databases of other tests, with locks of the same number.
    const onProgress = (): Promise<unknown> =>
      system.pool.query(
        `SELECT pg_terminate_backend(pid, 10000) FROM pg_locks JOIN pg_database ON pg_database.oid = database
         WHERE locktype = 'advisory' AND objid = 0 AND pid <> pg_backend_pid() AND datname = current_database()`,
      );
    const dying = store.build(state, { onProgress });
    await expect(dying).rejects.toThrow();
    expect((await stateOf(0)).stored).toBeUndefined();
    expect(await store.build(state)).toMatchObject({ keys: FEW });
  });

  it('ends when it is stopped, and leaves nothing', async () => {
    await closeWith(FEW);
    const stop = new AbortController();
    const onProgress = (): void => {
      stop.abort();
    };
    const stopped = store.build(await stateOf(0), { signal: stop.signal, onProgress });
    await expect(stopped).rejects.toThrow();
    expect((await stateOf(0)).stored).toBeUndefined();
  });

  it('does nothing for a generation that is open, or was closed at another time', async () => {
    await closeWith(FEW);
    const state = await stateOf(0);
    expect(await store.build({ number: 1, closedAt: state.closedAt })).toBeUndefined();
    expect(await store.build({ number: 0, closedAt: '1.5' })).toBeUndefined();
    expect(await store.list()).toEqual([{ ...state, stored: undefined }]);
  });
});

describe('a stored filter', () => {
  it.each([
    ['one bit differs', FEW, `UPDATE $ SET bits = set_bit(bits, 77, 1 - get_bit(bits, 77))`],
    ['it is cut', FEW, `UPDATE $ SET bits = substring(bits FROM 1 FOR length(bits) - 32)`],
    ['a part is missing', KEYS, `DELETE FROM $ WHERE part = (SELECT max(part) FROM $) AND part > 0`],
    ['its size is another', FEW, `UPDATE $ SET words = words * 2`],
  ])('is refused when %s, and can be built again', async (_, keys, damage) => {
    await closeWith(keys);
    const state = await stateOf(0);
    await store.build(state);
    await system.pool.query(damage.replaceAll('$', `sekali.${consumer}_key_filter`));
    await expect(store.load(await stateOf(0), 0)).rejects.toThrow(DamagedFilterError);
    await store.discard(0);
    expect(await store.build(state)).toMatchObject({ keys });
    expect(await suspectsOf(0, 'id', FEW)).toBe(FEW);
  });

  it('is not used for a generation that was closed once more', async () => {
    await closeWith(FEW);
    await store.build(await stateOf(0));
    const before = await stateOf(0);
    await system.pool.query(
      `UPDATE sekali.${consumer}_key_generation SET closed_at = clock_timestamp() WHERE number = 0`,
    );
    expect((await stateOf(0)).stored).toBeUndefined();
    expect(await store.build(await stateOf(0))).toMatchObject({ keys: FEW });
    await expect(store.load(before, 0)).rejects.toThrow(DamagedFilterError);
  });
});
