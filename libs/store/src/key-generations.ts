/**
 * Changes the generation of an inbox's keys.
 *
 * New ids go into the youngest table of keys, and older tables are closed. The migration `KeyGenerations` says how they
 * are kept apart, and key-generations.ts of the library what a worker does with them.
 */
import { youngestGeneration, type YoungestGeneration } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { storeInboxTables } from './inbox-tables.js';

const CHANGE = `SELECT sekali.change_key_generation($1, $2) AS number`;

/**
 * Reads the youngest generation of an inbox.
 *
 * @param consumer the consumer whose inbox it is
 */
export async function youngestKeyGeneration(
  database: Queryable,
  consumer: string,
): Promise<YoungestGeneration> {
  return youngestGeneration(database, storeInboxTables(consumer));
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
