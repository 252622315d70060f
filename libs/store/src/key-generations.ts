/**
 * Changes the generation of an inbox's keys.
 *
 * New ids go into the youngest table of keys, and older tables are closed. The migration `KeyGenerations` says how they
 * are kept apart, and key-generations.ts of the library what a worker does with them.
 */
import { generationTable } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { storeInboxTables } from './inbox-tables.js';

/** The youngest generation of an inbox's keys. */
export interface YoungestGeneration {
  /** 0 before the first change. */
  readonly number: number;
  /** The size of its table with the indexes, in bytes. */
  readonly bytes: number;
}

const REGISTRY_IS_THERE = `SELECT to_regclass($1) IS NOT NULL AS present`;
const SIZE = `SELECT pg_total_relation_size($1::regclass)::float8 AS bytes`;
const CHANGE = `SELECT sekali.change_key_generation($1, $2) AS number`;

/**
 * Reads the youngest generation of an inbox.
 *
 * @param consumer the consumer whose inbox it is
 */
export async function youngestGeneration(database: Queryable, consumer: string): Promise<YoungestGeneration> {
  const { key, keyGeneration = '' } = storeInboxTables(consumer);
  const { rows: there } = await database.query<{ present: boolean }>(REGISTRY_IS_THERE, [keyGeneration]);
  const newest = `SELECT coalesce(max(number), 0) AS number FROM ${keyGeneration}`;
  const { rows } =
    there[0]?.present === true ? await database.query<{ number: number }>(newest) : { rows: [] };
  const number = rows[0]?.number ?? 0;
  const { rows: sizes } = await database.query<{ bytes: number }>(SIZE, [generationTable(key, number)]);
  return { number, bytes: sizes[0]?.bytes ?? 0 };
}

/**
 * Closes the youngest generation of an inbox's keys, and opens the next. It waits for transactions that have inserted
 * keys, for two seconds at most.
 *
 * @param consumer the consumer whose inbox it is
 * @param expected the number of the youngest generation; if another process has closed it meanwhile, nothing happens
 * @returns the number of the new generation; `undefined` when nothing happened, as with a generation without keys
 * @throws an error that `isLockTimeout` recognizes, when a transaction takes too long; try again later
 */
export async function changeKeyGeneration(
  database: Queryable,
  consumer: string,
  expected: number,
): Promise<number | undefined> {
  const { rows } = await database.query<{ number: number | null }>(CHANGE, [consumer, expected]);
  return rows[0]?.number ?? undefined;
}
