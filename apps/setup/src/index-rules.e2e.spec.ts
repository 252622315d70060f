/** Setup writes the rules of indexes into the database, and a worker obeys them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { ensurePartitions } from '#store';
import { createTestSystem, startApp, waitFor, type TestSystem } from '#testing';

const DAY_MS = 86_400_000;
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
VALUES (4711, 1, 'logs.web', 'a', 's', now(), '{}', now(), now() - interval '3 days')`;

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  await ensurePartitions(system.pool, new Date(Date.now() - 3 * DAY_MS));
  await system.pool.query(INSERT);
});
afterAll(() => system.dispose());

async function setUp(rules: string): Promise<{ code: number | null; output: string }> {
  const environment = { ...system.environment, SEKALI_INDEXES: rules };
  const setup = await startApp('setup', environment, { untilReady: false });
  const { code } = await setup.exited;
  return { code, output: setup.output() };
}

async function rowsOf(statement: string): Promise<readonly unknown[]> {
  const { rows } = await system.pool.query<Record<string, unknown>>(statement);
  return rows;
}

const RULES = 'SELECT pattern, kind FROM sekali.index_rule ORDER BY position';
const INDEXES = String.raw`SELECT relname FROM pg_class WHERE relkind = 'i' AND relname ~ '_by_(fields|text)$'`;

describe('the rules of indexes', () => {
  it('are those of the settings, with what Postgres needs for texts', async () => {
    expect(await setUp('logs.>=text, >=none')).toMatchObject({ code: 0 });
    expect(await rowsOf(RULES)).toEqual([
      { pattern: 'logs.>', kind: 'text' },
      { pattern: '>', kind: 'none' },
    ]);
    expect(await rowsOf(`SELECT FROM pg_extension WHERE extname = 'pg_trgm'`)).toHaveLength(1);
    expect((await setUp('logs.>=text, >=none')).output).not.toContain('rules of indexes brought up to date');
  });

  it('are obeyed by a worker', async () => {
    const worker = await startApp('worker', system.environment);
    await waitFor(async () => (await rowsOf(INDEXES)).length === 2, {
      timeoutMs: 90_000,
      describe: 'both indexes of the closed day',
    });
    await worker.stop();
    expect(worker.output()).toContain('an index of payloads was built');
  });

  it('are refused with an example where they are none', async () => {
    const { code, output } = await setUp('logs=all');
    expect(code).toBe(1);
    expect(output).toContain('SEKALI_INDEXES: must be rules such as logs.>=text');
    expect(await rowsOf(RULES)).toHaveLength(2);
  });
});
