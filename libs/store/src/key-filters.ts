/** The tables that the filters of an inbox's closed generations need. */
import type { FilteredTables } from '#idempotent-consumer/postgres';
import type { Queryable } from '#postgres';
import { STORE_INBOX, storeInboxTables } from './inbox-tables.js';

const ARE_THERE = `SELECT to_regclass($1) IS NOT NULL AS registry, to_regclass($2) IS NOT NULL AS filters`;
const CREATE = `SELECT sekali.make_key_filter($1)`;

/**
 * Returns the tables for the filters of an inbox. It creates the one of filters if it is missing.
 *
 * @param consumer the consumer whose inbox it is
 * @returns `undefined` while the keys are in one generation, which needs no filter
 */
export async function filteredTables(
  database: Queryable,
  consumer: string,
): Promise<FilteredTables | undefined> {
  const { key, keyGeneration = '', keyFilter = '' } = storeInboxTables(consumer);
  const { rows } = await database.query<{ registry: boolean; filters: boolean }>(ARE_THERE, [
    keyGeneration,
    keyFilter,
  ]);
  if (rows[0]?.registry !== true) return undefined;
  if (!rows[0].filters && consumer !== STORE_INBOX) await database.query(CREATE, [consumer]);
  return { key, keyGeneration, keyFilter };
}
