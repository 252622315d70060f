/** Changes of the schema while programs run. A statement that waits for a lock makes all later ones wait. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import type { MigrationInterface, QueryRunner } from 'typeorm';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import { createDataSource } from './data-source.js';
import { isLockTimeout, LOCK_MS_MAX } from '#postgres';
import { runMigrations } from './migration-run.js';
import { ensurePartitions } from './partitions.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

/** Ends what a failed test would leave running. Each may be called twice. */
const endings: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end().catch(() => undefined);
});

afterAll(async () => {
  await system.dispose();
});

/** A migration that the next version might have. */
class Next1900000000000 implements MigrationInterface {
  readonly name = 'Next1900000000000';
  async up(runner: QueryRunner): Promise<void> {
    await runner.query('ALTER TABLE sekali.event_key ADD COLUMN note text');
  }
  down(): Promise<void> {
    return Promise.reject(new Error('forward only'));
  }
}

/**
 * Reads a table in a transaction that stays open, as a backup does.
 *
 * @returns a function that ends the transaction
 */
async function readLong(table: string): Promise<() => Promise<void>> {
  const client = await system.pool.connect();
  await client.query('BEGIN');
  await client.query(`SELECT FROM ${table}`);
  let ended = false;
  const end = async (): Promise<void> => {
    if (ended) return;
    ended = true;
    await client.query('COMMIT').finally(() => {
      client.release();
    });
  };
  endings.push(end);
  return end;
}

/**
 * Inserts one row after the other.
 *
 * @returns a function that stops, and resolves to the longest time that an insert took, in milliseconds
 */
function insertSteadily(statement: string): () => Promise<number> {
  const stopping = new AbortController();
  const running = (async (): Promise<number> => {
    let longestMs = 0;
    for (let seq = 1; !stopping.signal.aborted; seq++) {
      const startedAt = performance.now();
      await system.pool.query(statement, [seq]);
      longestMs = Math.max(longestMs, performance.now() - startedAt);
    }
    return longestMs;
  })();
  const stop = (): Promise<number> => {
    stopping.abort();
    return running;
  };
  endings.push(() => stop().catch(() => undefined));
  return stop;
}

async function isLockAwaited(lockMode: string): Promise<boolean> {
  const { rowCount } = await system.pool.query(
    `SELECT FROM pg_locks JOIN pg_database ON pg_database.oid = database
     WHERE NOT granted AND mode = $1 AND datname = current_database()`,
    [lockMode],
  );
  return (rowCount ?? 0) > 0;
}

const waits = { timeoutMs: 20_000, intervalMs: 5 };
/** The insert itself takes time, and the machine may be busy. */
const MARGIN_MS = 2_000;

describe('a migration that needs a table which a backup reads', () => {
  it('delays inserts only briefly, and is applied after the backup', async () => {
    const dataSource = await createDataSource({
      url: system.postgresUrl,
      name: 'test',
      connectionsMax: 2,
      transactionMsMax: 60_000,
    });
    dataSource.setOptions({ migrations: [...(dataSource.options.migrations as []), Next1900000000000] });
    await dataSource.initialize();
    const end = await readLong('sekali.event_key');
    const inserting = insertSteadily(
      `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('t', $1::text, 1, $1::bigint, 0)`,
    );
    let givenUp = 0;
    const migrating = runMigrations(dataSource, () => {
      givenUp++;
    });
    endings.push(() => migrating.then(() => dataSource.destroy()));
    await waitFor(() => isLockAwaited('AccessExclusiveLock'), {
      ...waits,
      describe: 'the migration to wait',
    });
    await waitFor(() => givenUp > 0, { ...waits, describe: 'the migration to give up its first try' });
    await end();
    expect(await migrating).toEqual(['Next1900000000000']);
    expect(await inserting()).toBeLessThan(LOCK_MS_MAX + MARGIN_MS);
    expect((await system.pool.query('SELECT note FROM sekali.event_key LIMIT 1')).rows).toEqual([
      { note: null },
    ]);
  });
});

describe('a partition that is created while a backup reads', () => {
  it('is postponed, and delays inserts only briefly', async () => {
    const tomorrow = new Date(Date.now() + 8 * 86_400_000);
    const end = await readLong('sekali.event_default');
    const inserting = insertSteadily(
      `INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
       VALUES (1, $1::bigint, 't', $1::text, 's', now(), '{}', now())`,
    );
    const failure = await ensurePartitions(system.pool, tomorrow).catch((error: unknown) => error);
    expect(isLockTimeout(failure)).toBe(true);
    expect(await inserting()).toBeLessThan(LOCK_MS_MAX + MARGIN_MS);
    await end();
    expect((await ensurePartitions(system.pool, tomorrow)).length).toBeGreaterThan(0);
  });
});
