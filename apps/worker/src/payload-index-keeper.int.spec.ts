/** Workers build the indexes that rules ask for, in the hours that are set, and only then. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createLogger } from '#observability';
import { ensurePartitions, grantRights, indexRules, writeIndexRules } from '#store';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { keepPayloadsIndexed } from './payload-index-keeper.js';

const DAY_MS = 86_400_000;
const EVERY_MS = 20;
const SILENT = createLogger('test', 'silent');
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT 1, seq, 'logs', 'e' || seq, 's', now(), '{}', now(), now() - interval '3 days' FROM generate_series(1, 10) AS seq`;

const SESSIONS = `
SELECT pid FROM pg_stat_activity
WHERE application_name = 'sekali-worker-payload-indexes' AND datname = current_database()`;

let system: TestSystem;
let url: string;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  ({ worker: url } = await createRoles(system.postgresUrl));
  await grantRights(system.pool);
  await ensurePartitions(system.pool, new Date(Date.now() - 3 * DAY_MS));
  await system.pool.query(INSERT);
});

afterAll(async () => {
  await system.dispose();
});

async function indexes(): Promise<number> {
  const { rows } = await system.pool.query<{ indexes: number }>(
    `SELECT count(*)::int AS indexes FROM pg_class WHERE relkind = 'i' AND relname LIKE '%_by_fields'`,
  );
  return rows[0]?.indexes ?? -1;
}

/** An hour of the day, some hours from now. */
const hour = (hoursFromNow: number): number => new Date(Date.now() + hoursFromNow * 3_600_000).getUTCHours();

describe('the keeper of indexes of payloads', () => {
  it('builds in its hours alone, and drops what no rule asks for', async () => {
    await writeIndexRules(system.pool, indexRules('logs=fields'));
    const other = keepPayloadsIndexed(url, SILENT, `${hour(10)}-${hour(12)}`, { everyMs: EVERY_MS });
    // Each pass has a connection of its own.
    const passes = new Set<number>();
    await waitFor(
      async () => {
        for (const { pid } of (await system.pool.query<{ pid: number }>(SESSIONS)).rows) passes.add(pid);
        return passes.size >= 3;
      },
      { timeoutMs: 30_000, intervalMs: 2, describe: 'two passes to end' },
    );
    other.stop();
    expect(await indexes()).toBe(0);
    const keeper = keepPayloadsIndexed(url, SILENT, `${hour(-2)}-${hour(2)}`, { everyMs: EVERY_MS });
    await waitFor(async () => (await indexes()) === 1, { timeoutMs: 20_000, describe: 'the index' });
    await writeIndexRules(system.pool, []);
    await waitFor(async () => (await indexes()) === 0, { timeoutMs: 20_000, describe: 'the index to go' });
    keeper.stop();
  });

  it('tries again soon while another worker builds, and not in its next pass alone', async () => {
    await writeIndexRules(system.pool, indexRules('logs=fields'));
    const builder = await system.pool.connect();
    await builder.query('BEGIN; SELECT pg_advisory_xact_lock(7365030)');
    const keeper = keepPayloadsIndexed(url, SILENT, undefined, { everyMs: 3_600_000, busyMs: EVERY_MS });
    const tries = new Set<number>();
    await waitFor(
      async () => {
        for (const { pid } of (await system.pool.query<{ pid: number }>(SESSIONS)).rows) tries.add(pid);
        return tries.size >= 3;
      },
      { timeoutMs: 30_000, intervalMs: 2, describe: 'two tries to end' },
    );
    expect(await indexes()).toBe(0);
    await builder.query('COMMIT');
    builder.release();
    await waitFor(async () => (await indexes()) === 1, { timeoutMs: 30_000, describe: 'the index' });
    keeper.stop();
  });
});
