/**
 * Running the migrations, one process at a time, while workers and gateways of the version before are at work.
 *
 * What a migration has to keep to, because they are:
 * - It only adds (tables, columns with a constant default or none, constraints NOT VALID). What the programs of the
 *   version before read or write is taken away one version later.
 * - Every lock is waited for two seconds at most (`lock_timeout`, set by `createDataSource`): whoever comes after one
 *   that waits for a table waits behind it, inserts too. A migration that does not get its lock is undone and tried again.
 * - It holds a lock only for a moment: no rewrite of a table that grows, no constraint validated together with its making.
 *   An index on such a table is made CONCURRENTLY, in a migration of its own with `transaction = false`, which begins with
 *   `SET lock_timeout = 0` (it blocks nobody while it waits), `DROP INDEX CONCURRENTLY IF EXISTS` (an interrupted one
 *   leaves an invalid index) and ends with `RESET lock_timeout`.
 */
import type { DataSource } from 'typeorm';
import { isLockTimeout } from '#postgres';
import { retry } from '#waiting';

const MIGRATION_LOCK = 7_365_000;
/** Longer than a try, so that those who waited behind it are served first. */
const RETRY_MS = 3_000;
/** A backup reads for so long, perhaps. */
const TRY_MS_MAX = 600_000;

/**
 * Brings the schema up to date. Processes that do it at the same moment wait for each other.
 *
 * @param dataSource an initialized one, made by `createDataSource`
 * @param onLocked told whenever somebody holds a table that a migration needs, and it will be tried again
 * @returns the names of the migrations that were applied, none when the schema was current
 */
export async function runMigrations(
  dataSource: DataSource,
  onLocked: (error: unknown) => void = () => undefined,
): Promise<string[]> {
  const guard = dataSource.createQueryRunner();
  await guard.connect();
  try {
    // Another process may be at it for long, and waiting for that blocks nobody.
    await guard.query('SET lock_timeout = 0');
    await guard.query('SELECT pg_advisory_lock($1)', [MIGRATION_LOCK]);
    await guard.query('CREATE SCHEMA IF NOT EXISTS sekali');
    return await migrate(dataSource, onLocked);
  } finally {
    await guard.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await guard.query('RESET lock_timeout').catch(() => undefined);
    await guard.release();
  }
}

async function migrate(dataSource: DataSource, onLocked: (error: unknown) => void): Promise<string[]> {
  const { MigrationExecutor } = await import('typeorm');
  const pending = await new MigrationExecutor(dataSource).getPendingMigrations();
  await retry(() => dataSource.runMigrations({ transaction: 'each' }), {
    forMs: TRY_MS_MAX,
    everyMs: RETRY_MS,
    isPassing: isLockTimeout,
    onFailure: onLocked,
  });
  return pending.map(({ name }) => name);
}
