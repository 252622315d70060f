/** Whether the database has the schema this program was written for. */
import { isMissingTable, type Queryable } from '#postgres';
import { migrations } from './data-source.js';

const APPLIED = `SELECT name FROM sekali.migration`;

/** Names of migrations this program knows and the database has not; all of them on an empty database. */
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
