/**
 * The tables of keys, as the product would have them after as many keys.
 *
 * Keys come in generations: a full table is closed, and the next one takes the new keys. A database without the function
 * that changes them has one table for all keys.
 */
import type { Queryable } from '#store';

/** A generation of this size is closed. It is the default of the product's setting. */
const GENERATION_BYTES = 1_073_741_824;

const HAS_GENERATIONS = `SELECT to_regprocedure('sekali.change_key_generation(text, integer)') IS NOT NULL AS has`;
const YOUNGEST = `SELECT coalesce(max(number), 0) AS number FROM sekali.key_generation`;
const CHANGE = `SELECT sekali.change_key_generation('store', $1)`;
const SIZE = `SELECT pg_total_relation_size($1::regclass)::float8 AS bytes`;

const KEY_TABLES = `
SELECT 'sekali.' || relname AS name FROM pg_class
WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname ~ '^event_key(_g[0-9]+)?$'
ORDER BY oid`;

/** The names of all tables of keys with the schema, oldest first. */
export async function keyTables(database: Queryable): Promise<string[]> {
  const { rows } = await database.query<{ name: string }>(KEY_TABLES);
  return rows.map(({ name }) => name);
}

/** The bytes of all keys, with their indexes. */
export async function keyBytes(database: Queryable): Promise<number> {
  const sizes = (await keyTables(database)).map((table) => sizeOf(database, table));
  return (await Promise.all(sizes)).reduce((sum, bytes) => sum + bytes, 0);
}

/** Begins the next generation if the youngest is full. @returns the table for new keys */
export async function tableForKeys(database: Queryable): Promise<string> {
  const { rows } = await database.query<{ has: boolean }>(HAS_GENERATIONS);
  if (rows[0]?.has !== true) return 'sekali.event_key';
  const youngest = await youngestOf(database);
  if ((await sizeOf(database, youngest.table)) < GENERATION_BYTES) return youngest.table;
  await database.query(CHANGE, [youngest.number]);
  return (await youngestOf(database)).table;
}

async function youngestOf(database: Queryable): Promise<{ number: number; table: string }> {
  const { rows } = await database.query<{ number: number }>(YOUNGEST);
  const number = rows[0]?.number ?? 0;
  return { number, table: number === 0 ? 'sekali.event_key' : `sekali.event_key_g${number}` };
}

async function sizeOf(database: Queryable, table: string): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(SIZE, [table]);
  return rows[0]?.bytes ?? 0;
}
