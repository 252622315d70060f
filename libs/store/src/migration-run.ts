/**
 * Runs the migrations in one process at a time, while workers and gateways of the previous version run.
 *
 * A migration has to follow these rules, because programs of the previous version run meanwhile:
 * - It only adds: tables, columns with a constant default or none, constraints that are NOT VALID. What these programs
 *   read or write is removed one version later.
 * - It waits for each lock for two seconds at most (`lock_timeout`, set by `createDataSource`). Later statements on the
 *   table, also inserts, wait behind it. A migration that does not get its lock is rolled back and tried again.
 * - It holds each lock briefly. It rewrites no table that grows, and validates no constraint in the migration that adds
 *   it. An index on such a table is created CONCURRENTLY, in a separate migration with `transaction = false`. That
 *   begins with `SET lock_timeout = 0`, because it blocks no other statement while it waits. `DROP INDEX CONCURRENTLY
 *   IF EXISTS` follows, because an interrupted one leaves an invalid index. It ends with `RESET lock_timeout`.
 */
import type { DataSource, QueryRunner } from 'typeorm';
import { isLockTimeout } from '#postgres';
import { poll, retry } from '#waiting';

const MIGRATION_LOCK = 7_365_000;
/** The pause is longer than a try, so that the statements that waited behind it are served first. */
const RETRY_MS = 3_000;
/** How long migrations are tried. A backup may read for this long. */
const TRY_MS_MAX = 600_000;
/** How long another process may migrate. An index on a large table takes minutes. */
const TURN_MS_MAX = 1_800_000;
const TURN_POLL_MS = 100;

/**
 * Brings the schema up to date. Processes that do it at the same time wait for each other.
 *
 * @param dataSource comes from `createDataSource`, and is initialized
 * @param onLocked called whenever another session holds a table that a migration needs; the migration is tried again
 * @returns the names of the applied migrations, empty when the schema was current
 * @throws the error of a migration, or that of its lock after ten minutes; an error when another process migrates for
 *   half an hour
 */
export async function runMigrations(
  dataSource: DataSource,
  onLocked: (error: unknown) => void = () => undefined,
): Promise<string[]> {
  const guard = dataSource.createQueryRunner();
  await guard.connect();
  try {
    await takeTurn(guard);
    await guard.query('CREATE SCHEMA IF NOT EXISTS sekali');
    return await migrate(dataSource, onLocked);
  } finally {
    await guard.query('SELECT pg_advisory_unlock($1)', [MIGRATION_LOCK]).catch(() => undefined);
    await guard.release();
  }
}

/**
 * Waits until no other process migrates. A statement that waited for the lock would hold a snapshot meanwhile, and
 * CREATE INDEX CONCURRENTLY in the other process waits for every snapshot.
 */
async function takeTurn(guard: QueryRunner): Promise<void> {
  const take = async (): Promise<true | undefined> => {
    const [row] = (await guard.query('SELECT pg_try_advisory_lock($1) AS taken', [MIGRATION_LOCK])) as {
      taken: boolean;
    }[];
    return row?.taken === true || undefined;
  };
  const taken = await poll(take, { timeoutMs: TURN_MS_MAX, intervalMs: TURN_POLL_MS });
  if (taken === undefined)
    throw new Error('another process has been migrating for half an hour: end it, and run setup again');
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
