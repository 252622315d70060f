import type { Queryable } from '#postgres';

/** Returns the bytes of the database on its disk. Every role that may connect to it may ask. */
export async function databaseBytes(database: Queryable): Promise<number> {
  const { rows } = await database.query<{ bytes: number }>(
    'SELECT pg_database_size(current_database())::float8 AS bytes',
  );
  return rows[0]?.bytes ?? 0;
}
