/** The tables of keys: the generations of the inbox `store`. */
import { generationTable } from '#idempotent-consumer/postgres';
import { type Queryable, STORE_INBOX, storeInboxTables, youngestKeyGeneration } from '#store';

/** The names of all tables of keys with the schema, oldest first. */
export async function keyTables(database: Queryable): Promise<string[]> {
  const { number } = await youngestKeyGeneration(database, STORE_INBOX);
  return Array.from({ length: number + 1 }, (_, generation) => keyTable(generation));
}

/** The name of the table of a generation, with the schema. */
export function keyTable(generation: number): string {
  return generationTable(storeInboxTables(STORE_INBOX).key, generation);
}

/** The bytes of all keys, with their indexes. */
export async function keyBytes(database: Queryable): Promise<number> {
  return (await youngestKeyGeneration(database, STORE_INBOX)).bytesOfAll;
}
