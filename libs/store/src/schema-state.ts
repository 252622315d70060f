/** Compares the schema of the database with the one that this program needs. */
import { isMissingTable, type Queryable } from '#postgres';
import { migrations } from './data-source.js';

const APPLIED = `SELECT name FROM sekali.migration`;

/** Returns the names of the migrations that the database lacks; on an empty database, those are all. */
export async function pendingMigrations(database: Queryable): Promise<string[]> {
  const names = migrations.map((migration) => new migration().name);
  try {
    const { rows } = await database.query<{ name: string }>(APPLIED);
    const applied = new Set(rows.map((row) => row.name));
    return names.filter((name) => !applied.has(name));
  } catch (error) {
    if (isMissingTable(error)) return names;
    throw error;
  }
}
