/**
 * Builds, stores and loads the filters of closed generations.
 *
 *   closed table ─slices of hashes─▶ filter in memory ─parts─▶ table of filters ─parts─▶ memory of each worker
 *
 * A closed table gets no keys any more, but a stream that is registered again moves its rows to other places in it. So a
 * filter is built in one snapshot, which still shows each row at its first place. The same snapshot shows that the table
 * is closed. A filter is stored in the transaction of its snapshot: a builder that dies leaves nothing, and its lock
 * ends with it.
 *
 * Three ways to read the keys were considered. By the primary key, each row would cost a random access. A cursor would
 * return a row for each key, which costs this process three times as much. Ranges of pages, in use, are read in order,
 * and each answers with one value.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import type { Pool, PoolClient } from 'pg';
import { generationTable, type InboxTables } from './inbox-tables.js';
import { KeyFilter } from './key-filter.js';
import type { ClosedGeneration } from './key-filters.js';
import { HASH_OF_KEY, HASH_BYTES } from './key-hash.js';

/** Pages of a table that are read at once: about 40,000 keys, and 2 ms of this process. */
const SLICE_PAGES = 512;
const PART_BYTES = 262_144;
const WORD_BYTES = 4;
const BITS_PER_KEY = 20;
/** What a filter has that would take too much of the memory with more. */
const BITS_PER_KEY_LARGE = 10;
/** A filter that takes a larger share of the memory is large. */
const SHARE_MAX = 0.25;
/** A snapshot keeps Postgres from cleaning up, so it must end at some time. 10⁹ keys take half as long. */
const BUILD_MS_MAX = 3_600_000;
/** The keys are counted by the first slice, and others may be smaller. */
const MARGIN = 1.05;

/** A closed generation, and its stored filter if it has one. */
export interface FilterState extends ClosedGeneration {
  readonly stored: { readonly words: number; readonly keys: number } | undefined;
}

/** A stored filter is incomplete or damaged. It has to be discarded and built again. */
export class DamagedFilterError extends Error {
  override readonly name = 'DamagedFilterError';
}

/** The tables that filters need. */
export type FilteredTables = Pick<InboxTables, 'key'> &
  Required<Pick<InboxTables, 'keyGeneration' | 'keyFilter'>>;

interface Part {
  readonly keys: string;
  readonly words: number;
  readonly checksum: string;
  readonly bits: Buffer;
}

/** What a builder of a filter is asked for, and what it reports. */
export interface BuildOptions {
  /** Stops it. */
  readonly signal?: AbortSignal;
  /** Called once before the memory of the filter is taken, with its bytes. */
  readonly onSize?: (bytes: number) => void;
  /** Called after each slice with the share of the table that is done, and awaited. */
  readonly onProgress?: (share: number) => unknown;
}

/** How a filter was built. */
export interface BuiltFilter {
  readonly keys: number;
  readonly bytes: number;
}

/** The filters of one inbox. Its pool needs one connection. */
export class KeyFilterStore {
  private readonly statements: ReturnType<typeof statementsFor>;

  /** @param bytesMax the memory for all filters of a process; one filter takes no more while it is built */
  constructor(
    private readonly pool: Pool,
    private readonly tables: FilteredTables,
    private readonly bytesMax: number,
  ) {
    this.statements = statementsFor(tables);
  }

  /** Returns the closed generations, oldest first. Before the first change, there are none. */
  async list(): Promise<FilterState[]> {
    const { rows } = await this.pool.query<ClosedGeneration & { words: number | null; keys: number }>(
      this.statements.list,
    );
    return rows.map(({ number, closedAt, words, keys }) => ({
      number,
      closedAt,
      stored: words === null ? undefined : { words, keys },
    }));
  }

  /**
   * Loads a stored filter, a part at a time.
   *
   * @param folds how often it is folded meanwhile
   * @throws DamagedFilterError when the filter is not what was stored
   */
  async load({ number, closedAt, stored }: FilterState, folds: number): Promise<KeyFilter> {
    if (stored === undefined) throw new DamagedFilterError(`generation ${number} has no filter`);
    const filter = KeyFilter.ofWords(stored.words, folds);
    let first = 0;
    for (let part = 0; first < stored.words; part++) {
      const { rows } = await this.pool.query<Part>({
        text: this.statements.load,
        values: [number, part, closedAt],
      });
      const words = wordsOf(rows[0], stored.words - first);
      if (words === undefined || rows[0]?.words !== stored.words)
        throw new DamagedFilterError(`part ${part} of the filter of generation ${number} is damaged`);
      filter.merge(words, first, folds);
      first += words.length;
    }
    filter.keys = stored.keys;
    return filter;
  }

  /** Removes the stored filter of a generation. */
  async discard(number: number): Promise<void> {
    await this.pool.query(this.statements.discard, [number]);
  }

  /**
   * Builds the filter of a closed generation, and stores it.
   *
   * @returns `undefined` when another process builds it, when it exists, or when the memory is too small for it
   * @throws what Postgres says, and the reason of `signal`; then nothing is stored
   */
  async build(
    { number, closedAt }: ClosedGeneration,
    options: BuildOptions = {},
  ): Promise<BuiltFilter | undefined> {
    const client = await this.pool.connect();
    // A connection that breaks during a pause emits this. The next statement fails as well.
    const onError = (): void => undefined;
    client.on('error', onError);
    let isDone = false;
    try {
      await client.query('BEGIN ISOLATION LEVEL REPEATABLE READ');
      // A longer bound alone would leave the timer of the shorter one running.
      await client.query(
        `SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = ${BUILD_MS_MAX}`,
      );
      const { rows } = await client.query(this.statements.lock, [number, closedAt]);
      const filter = rows.length > 0 ? await this.read(client, number, options) : undefined;
      if (filter !== undefined) await this.write(client, { number, closedAt }, filter);
      await client.query('COMMIT');
      isDone = true;
      return filter && { keys: filter.keys, bytes: filter.bytes };
    } finally {
      // A connection in the middle of a transaction is closed, and its transaction with it.
      client.off('error', onError);
      client.release(!isDone);
    }
  }

  private async read(
    client: PoolClient,
    number: number,
    { signal, onSize = () => undefined, onProgress = () => undefined }: BuildOptions,
  ): Promise<KeyFilter | undefined> {
    const table = generationTable(this.tables.key, number);
    const { rows } = await client.query<{ pages: number }>(PAGES, [table]);
    const pages = rows[0]?.pages ?? 0;
    let filter: KeyFilter | undefined;
    for (let page = 0; page < pages; page += SLICE_PAGES) {
      const startedAt = performance.now();
      const hashes = await readSlice(client, table, page);
      filter ??= this.emptyFor((hashes.length / HASH_BYTES / Math.min(pages, SLICE_PAGES)) * pages, onSize);
      if (filter === undefined) return undefined;
      addAll(filter, hashes);
      await onProgress(Math.min((page + SLICE_PAGES) / pages, 1));
      // Postgres and this process have other work for at least half of the time.
      await pause(performance.now() - startedAt, undefined, signal && { signal });
    }
    return filter ?? KeyFilter.forKeys(0, BITS_PER_KEY);
  }

  /** Returns an empty filter for as many keys, or `undefined` when even a folded one would not fit. */
  private emptyFor(keys: number, onSize: (bytes: number) => void): KeyFilter | undefined {
    const expected = keys * MARGIN;
    const isLarge = (expected * BITS_PER_KEY) / 8 > this.bytesMax * SHARE_MAX;
    const bits = isLarge ? Math.min(BITS_PER_KEY_LARGE, (this.bytesMax * 8) / expected) : BITS_PER_KEY;
    if (bits < BITS_PER_KEY_LARGE / 2) return undefined;
    onSize(Math.ceil((expected * bits) / 8));
    return KeyFilter.forKeys(expected, bits);
  }

  private async write(client: PoolClient, closed: ClosedGeneration, filter: KeyFilter): Promise<void> {
    const { words, keys } = filter;
    await client.query(this.statements.discard, [closed.number]);
    for (let part = 0; part * PART_BYTES < words.byteLength; part++) {
      const start = part * PART_BYTES;
      const bytes = Math.min(PART_BYTES, words.byteLength - start);
      const bits = Buffer.from(words.buffer, words.byteOffset + start, bytes);
      const values = [closed.number, part, closed.closedAt, keys, words.length, crc32(bits), bits];
      await client.query(this.statements.insert, values);
    }
  }
}

/** The size of a table in pages, without its indexes. */
const PAGES = `SELECT (pg_relation_size($1::regclass) / current_setting('block_size')::integer)::float8 AS pages`;

async function readSlice(client: PoolClient, table: string, page: number): Promise<Buffer> {
  const { rows } = await client.query<{ hashes: Buffer | null }>(
    `SELECT string_agg(int8send(${HASH_OF_KEY}), '') AS hashes FROM ONLY ${table} WHERE ctid >= $1::tid AND ctid < $2::tid`,
    [`(${page},0)`, `(${page + SLICE_PAGES},0)`],
  );
  return rows[0]?.hashes ?? Buffer.alloc(0);
}

function addAll(filter: KeyFilter, hashes: Buffer): void {
  for (let at = 0; at < hashes.length; at += HASH_BYTES)
    filter.add(hashes.readInt32BE(at), hashes.readInt32BE(at + HASH_BYTES / 2));
}

/** Returns the words of a part, or `undefined` when it is not what was stored. */
function wordsOf(part: Part | undefined, wordsMax: number): Uint32Array | undefined {
  const bytes = Math.min(PART_BYTES, wordsMax * WORD_BYTES);
  if (part?.bits.length !== bytes || crc32(part.bits) !== Number(part.checksum)) return undefined;
  // The bytes may begin anywhere in a larger buffer, and words cannot.
  return new Uint32Array(Uint8Array.from(part.bits).buffer);
}

function statementsFor({ keyGeneration, keyFilter }: FilteredTables) {
  const closed = (at: string): string => `extract(epoch FROM ${at})::text`;
  return {
    list: `
SELECT generation.number, ${closed('generation.closed_at')} AS "closedAt", filter.words, filter.keys::float8 AS keys
FROM ${keyGeneration} generation
LEFT JOIN ${keyFilter} filter
  ON filter.generation = generation.number AND filter.part = 0 AND filter.closed_at = generation.closed_at
WHERE generation.closed_at IS NOT NULL
ORDER BY generation.number`,
    load: `
SELECT keys, words, checksum, bits FROM ${keyFilter}
WHERE generation = $1 AND part = $2 AND ${closed('closed_at')} = $3`,
    discard: `DELETE FROM ${keyFilter} WHERE generation = $1`,
    lock: `
SELECT FROM ${keyGeneration} generation
WHERE number = $1 AND ${closed('closed_at')} = $2 AND pg_try_advisory_xact_lock(hashtext('${keyFilter}'), number)
  AND NOT EXISTS (SELECT FROM ${keyFilter} filter WHERE filter.generation = number AND filter.closed_at = generation.closed_at)`,
    insert: `
INSERT INTO ${keyFilter} (generation, part, closed_at, keys, words, checksum, bits)
SELECT $1, $2, closed_at, $4, $5, $6, $7 FROM ${keyGeneration} WHERE number = $1 AND ${closed('closed_at')} = $3`,
  };
}
