/** The youngest generation of an inbox's keys: its size, and its end. */
import type { Queryable } from '#postgres';
import { changeFunction } from './generation-functions.js';
import { generationTable, type InboxTables } from './inbox-tables.js';

/** The youngest generation of an inbox's keys. */
export interface YoungestGeneration {
  /** 0 before the first change. */
  readonly number: number;
  /** The size of its table with the indexes, in bytes. */
  readonly bytes: number;
  /** The size of all generations with the indexes, in bytes. */
  readonly bytesOfAll: number;
}

const REGISTRY_IS_THERE = 'SELECT to_regclass($1) IS NOT NULL AS present';
const SIZES = `
SELECT coalesce(pg_total_relation_size(to_regclass($1)), 0)::float8 AS bytes, (
    SELECT coalesce(sum(pg_total_relation_size(relid)), 0)::float8
    FROM (SELECT to_regclass($2) AS relid UNION ALL SELECT inhrelid FROM pg_inherits WHERE inhparent = to_regclass($2)) each
  ) AS "bytesOfAll"`;

/** Reads the youngest generation of an inbox. One that does not exist yet has no bytes. */
export async function youngestGeneration(
  database: Queryable,
  { key, keyGeneration = '' }: InboxTables,
): Promise<YoungestGeneration> {
  const { rows: there } = await database.query<{ present: boolean }>(REGISTRY_IS_THERE, [keyGeneration]);
  const newest = `SELECT coalesce(max(number), 0) AS number FROM ${keyGeneration}`;
  const { rows } =
    there[0]?.present === true ? await database.query<{ number: number }>(newest) : { rows: [] };
  const number = rows[0]?.number ?? 0;
  const { rows: sizes } = await database.query<Omit<YoungestGeneration, 'number'>>(SIZES, [
    generationTable(key, number),
    key,
  ]);
  const { bytes = 0, bytesOfAll = 0 } = sizes[0] ?? {};
  return { number, bytes, bytesOfAll };
}

/**
 * Closes the youngest generation of an inbox's keys, and opens the next. The table of the next one is a child
 * of generation 0. So what reads or updates `tables.key` covers it, and no key is moved.
 *
 * It waits for transactions that have inserted keys, for two seconds at most. A program that does not know
 * generations is refused from then on, and waits.
 *
 * @param database a connection of a role that may execute the function of the inbox: see `createInbox`
 * @param tables those of `createInbox`
 * @param expected the number of the youngest generation; if another process has closed it meanwhile, nothing
 *   happens
 * @returns the number of the new generation; `undefined` when nothing happened, as with a generation without
 *   keys
 * @throws an error that `isLockTimeout` recognizes, when a transaction takes too long; try again later
 */
export async function changeKeyGeneration(
  database: Queryable,
  tables: InboxTables,
  expected: number,
): Promise<number | undefined> {
  const { rows } = await database.query<{ number: number | null }>(
    `SELECT ${changeFunction(tables)}($1) AS number`,
    [expected],
  );
  return rows[0]?.number ?? undefined;
}
