/** Running the migrations, one process at a time. */
import type { DataSource } from 'typeorm';

const MIGRATION_LOCK = 7_365_000;

/**
 * Brings the schema up to date. Processes that do it at the same moment wait for each other.
 *
 * @param dataSource an initialized one
 * @returns the names of the migrations that were applied, none when the schema was current
 */
export async function runMigrations(dataSource: DataSource): Promise<string[]> {
  const guard = dataSource.createQueryRunner();
  await guard.connect();
  try {
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await guard.query('CREATE SCHEMA IF NOT EXISTS sekali');
    const applied = await dataSource.runMigrations({ transaction: 'each' });
    return applied.map((migration) => migration.name);
  } finally {
    await guard.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await guard.release();
  }
}
