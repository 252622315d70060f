/** The histogram equals the counters and the rows, whatever is counted, rolled up and interrupted at the same time. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool, PoolClient } from 'pg';
import { createPool, type Queryable } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { histogramFaults } from './audit-histogram.js';
import { grantRights } from './grants.js';
import { isHistogramStep, longerStep, readHistogram } from './histogram.js';
import { rollUpHistogram } from './histogram-roll-up.js';

const HOUR = 3_600;
const DAY = 86_400;
const FAULTS_MAX = 10;

let system: TestSystem;
let worker: Pool;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const { worker: url } = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url, name: 'test', connectionsMax: 8, transactionMsMax: 30_000 });
});

afterEach(async () => {
  await worker.end();
  await system.dispose();
});

const COUNT = `
INSERT INTO sekali.counter AS counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
SELECT $7, topic, $2, $3, $4, $5, $6, 0 FROM unnest($1::text[]) AS topic
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET
  stored = counter.stored + excluded.stored, duplicates = counter.duplicates + excluded.duplicates,
  conflicts = counter.conflicts + excluded.conflicts, dead_letters = counter.dead_letters + excluded.dead_letters`;

/** Counts as a batch does. */
async function count(
  database: Pool | PoolClient,
  topics: readonly string[],
  [stored, duplicates = 0, conflicts = 0, deadLetters = 0]: readonly number[],
  shard = 0,
  streamId = 1,
): Promise<void> {
  await database.query(COUNT, [topics, shard, stored, duplicates, conflicts, deadLetters, streamId]);
}

/** Moves what was counted so far into the past, to the beginning of a minute. */
async function age(seconds: number): Promise<void> {
  await system.pool.query(
    `UPDATE sekali.histogram SET beginning = beginning - make_interval(secs => $1) WHERE kind = 'open'
       AND beginning > now() - interval '10 minutes'`,
    [seconds],
  );
}

const kinds = async (): Promise<Record<string, number>> => {
  const { rows } = await system.pool.query<{ kind: string; count: number }>(
    `SELECT kind, count(*)::int AS count FROM sekali.histogram GROUP BY kind`,
  );
  return Object.fromEntries(rows.map((row) => [row.kind, row.count]));
};

/** Three days of five topics. */
const MINUTES = `
INSERT INTO sekali.histogram (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
SELECT 't' || topic, 'minute', date_trunc('minute', now(), 'UTC') - minute * interval '1 minute', 0, 1, 0, 0, 0
FROM generate_series(1, 3 * 1440) AS minute, generate_series(1, 5) AS topic`;

const nowSeconds = (): number => Date.now() / 1_000;
const whole = { since: 0, until: 4_000_000_000, stepSeconds: 365 * DAY };

describe('the histogram', () => {
  it('counts what the counters count, in the minute of the transaction', async () => {
    await count(worker, ['a', 'b'], [5, 2, 1, 1]);
    await count(worker, ['a'], [3]);
    await count(worker, ['a'], [4], 7);
    const answer = await readHistogram(system.pool, {
      topics: ['a'],
      since: nowSeconds() - HOUR,
      until: nowSeconds() + 60,
      stepSeconds: 60,
    });
    expect(answer.totals).toEqual({ stored: 12, duplicates: 2, conflicts: 1, deadLetters: 1 });
    expect(answer.buckets.length).toBeLessThanOrEqual(2);
    expect(answer.buckets.every(({ start }) => start % 60 === 0)).toBe(true);
    expect(answer.countedSince).toBeUndefined();
    expect((await readHistogram(system.pool, { ...whole })).totals.stored).toBe(17);
  });

  it('has no batch of one stream wait for a batch of another', async () => {
    const clients = [await worker.connect(), await worker.connect()];
    for (const client of clients) await client.query('BEGIN');
    const inTurn = async (n: number): Promise<void> => {
      const client = clients[n] as PoolClient;
      await count(client, [n === 0 ? 'a' : 'b'], [1], 3, n + 1);
    };
    await Promise.all([inTurn(0), inTurn(1)]);
    // Each counts the topic of the other one now.
    await Promise.all(
      clients.map(async (client, n) => {
        await count(client, [n === 0 ? 'b' : 'a'], [1], 3, n + 1);
      }),
    );
    for (const client of clients) {
      await client.query('COMMIT');
      client.release();
    }
    expect((await readHistogram(system.pool, whole)).totals.stored).toBe(4);
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([]);
  });

  it('forgets what is rolled back, and follows counts that move to another incarnation', async () => {
    const client = await worker.connect();
    await client.query('BEGIN');
    await count(client, ['a'], [5]);
    await client.query('ROLLBACK');
    client.release();
    await count(worker, ['a'], [5]);
    await age(2 * HOUR);
    await worker.query(
      `INSERT INTO sekali.counter AS counter VALUES (1, 'a', 0, -5, 0, 0, 0, 0), (2, 'a', 0, 5, 0, 0, 0, 0)
       ON CONFLICT (stream_id, topic, shard) DO UPDATE SET stored = counter.stored + excluded.stored`,
    );
    const { totals, buckets } = await readHistogram(system.pool, { ...whole, stepSeconds: HOUR });
    expect(totals.stored).toBe(5);
    expect(buckets).toHaveLength(1);
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([]);
  });

  it('can be written by no program, but through the counters', async () => {
    for (const statement of [
      'DELETE FROM sekali.histogram',
      'UPDATE sekali.histogram SET stored = 0',
      `INSERT INTO sekali.histogram VALUES ('a', 'open', now(), 0, 1, 0, 0, 0)`,
      'SELECT sekali.count_added()',
    ])
      await expect(worker.query(statement)).rejects.toMatchObject({ code: '42501' });
  });
});

describe('a histogram that is rolled up', () => {
  it('keeps each count, in minutes, hours and days by age, and answers with a step that is exact', async () => {
    await count(worker, ['a', 'b'], [1], 3);
    await count(worker, ['a'], [1], 4);
    await age(100 * DAY);
    await count(worker, ['a', 'b'], [10], 3);
    await count(worker, ['a'], [10], 4);
    await age(10 * DAY);
    await count(worker, ['a'], [100], 3);
    await count(worker, ['a'], [100], 4);
    await age(2 * HOUR);
    await count(worker, ['a'], [1_000], 3);
    // Each step takes one row of each kind, so this is interrupted as often as it can be.
    while ((await rollUpHistogram(worker, { msMax: 0, rowsMax: 1 })) > 0)
      expect((await readHistogram(system.pool, { ...whole, topics: ['a'] })).totals.stored).toBe(1_222);
    expect(await kinds()).toEqual({ day: 2, hour: 2, minute: 1, open: 1 });
    const end = nowSeconds() + 60;
    const near = { topics: ['a'], since: end - DAY, until: end, stepSeconds: 60 };
    expect(await readHistogram(system.pool, near)).toMatchObject({
      stepSeconds: 60,
      totals: { stored: 1_200 },
    });
    const wide = { ...near, since: end - 20 * DAY, stepSeconds: 1_800 };
    const hours = await readHistogram(system.pool, wide);
    expect(hours).toMatchObject({ stepSeconds: HOUR, totals: { stored: 1_220 } });
    expect(hours.since % HOUR).toBe(0);
    const days = await readHistogram(system.pool, { ...near, since: end - 200 * DAY });
    expect(days).toMatchObject({ stepSeconds: DAY, totals: { stored: 1_222 } });
    expect(days.buckets.map(({ stored }) => stored).reduce((a, b) => a + b)).toBe(1_222);
  });

  it('is rolled up to the end, however many topics there are, and is left in time', async () => {
    const topics = Array.from({ length: 300 }, (_, n) => `t${n}`);
    await count(worker, topics, [1]);
    await age(2 * HOUR);
    expect(await rollUpHistogram(worker, { msMax: 0, rowsMax: 10 })).toBe(10);
    expect(await rollUpHistogram(worker, { rowsMax: 10 })).toBe(290);
    expect(await kinds()).toEqual({ minute: 300 });
  });

  it('has a step that is exact where the window begins within an hour', async () => {
    await count(worker, ['a'], [1]);
    await age(10 * DAY);
    await rollUpHistogram(worker);
    const { rows } = await system.pool.query<{ at: number }>(
      `SELECT extract(epoch FROM beginning)::float8 AS at FROM sekali.histogram WHERE kind = 'hour'`,
    );
    const at = rows[0]?.at ?? 0;
    const question = { since: at + 1_800, until: at + 2_400, stepSeconds: 60 };
    expect(await readHistogram(system.pool, question)).toMatchObject({
      stepSeconds: HOUR,
      since: at,
      until: at + HOUR,
      totals: { stored: 1 },
    });
  });

  it('reads the rows of its window alone', async () => {
    await system.pool.query(MINUTES);
    await system.pool.query('ANALYZE sekali.histogram');
    const plans: string[] = [];
    const explaining: Queryable = {
      query: async (text, values = []) => {
        if (text.includes('counted AS MATERIALIZED')) {
          const explain = `EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) ${text}`;
          const { rows } = await system.pool.query<Record<'QUERY PLAN', string>>(explain, [...values]);
          plans.push(rows.map((row) => row['QUERY PLAN']).join('\n'));
        }
        return system.pool.query(text, [...values]);
      },
    };
    const until = nowSeconds() - 2 * HOUR;
    const day = { since: until - DAY, until, stepSeconds: 300 };
    const { totals } = await readHistogram(explaining, day);
    expect(plans).toHaveLength(1);
    expect(plans[0]).toContain('Index Scan on histogram_beginning');
    expect(plans[0]).not.toContain('Seq Scan');
    // A day of whole steps, of five topics.
    expect([1_440, 1_445]).toContain(totals.stored / 5);
  });

  it('equals the counters while batches count and several processes roll up', async () => {
    let counting = true;
    let moves = 0;
    const rolling = Array.from({ length: 3 }, async () => {
      while (counting) {
        // No two calls move counts to the same minute.
        await age(4 * DAY + moves++ * HOUR);
        await rollUpHistogram(worker, { msMax: 5, rowsMax: 5 });
      }
    });
    const batches = Array.from({ length: 4 }, async (_, shard) => {
      for (let n = 0; n < 40; n++) await count(worker, ['a', 'b', `t${n % 7}`], [2, 1], shard);
    });
    await Promise.all(batches);
    counting = false;
    await Promise.all(rolling);
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([]);
    const { rows } = await system.pool.query<{ deadlocks: number }>(
      'SELECT deadlocks::int FROM pg_stat_database WHERE datname = current_database()',
    );
    expect(rows).toEqual([{ deadlocks: 0 }]);
    expect((await readHistogram(system.pool, whole)).totals).toMatchObject({ stored: 960, duplicates: 480 });
  });
});

describe('the comparison of the audit', () => {
  const STORE = `
    INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest, stored_at)
    SELECT 'a', 'e' || seq, 1, seq, 0, $3 FROM generate_series($1::int, $2::int) AS seq`;

  it('finds counts that a topic lacks, and counts in another minute, whatever the rows are kept as', async () => {
    const client = await worker.connect();
    await client.query('BEGIN');
    await client.query(STORE, [1, 10, (await client.query<{ now: Date }>('SELECT now()')).rows[0]?.now]);
    await count(client, ['a'], [10]);
    await client.query('COMMIT');
    client.release();
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([]);
    await system.pool.query(`UPDATE sekali.histogram SET beginning = beginning - interval '1 minute'`);
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([{ topic: 'a', kind: 'rows' }]);
    await system.pool.query(
      `UPDATE sekali.histogram SET kind = 'day', beginning = date_trunc('day', beginning + interval '1 minute', 'UTC')`,
    );
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([]);
    await system.pool.query(`UPDATE sekali.histogram SET stored = 9`);
    expect(await histogramFaults(system.pool, FAULTS_MAX)).toEqual([
      { topic: 'a', kind: 'counters' },
      { topic: 'a', kind: 'rows' },
    ]);
  });
});

describe('a step', () => {
  it('is whole minutes that divide a day, or whole days', () => {
    expect([60, 300, 5_400, HOUR, DAY, 7 * DAY].map(isHistogramStep)).not.toContain(false);
    expect([0, 1, 90, 420, 7 * HOUR, 1.5 * DAY, NaN].map(isHistogramStep)).not.toContain(true);
  });

  it('becomes the next one that is long enough', () => {
    expect(longerStep(60, 61)).toBe(120);
    expect(longerStep(5_400, 0, HOUR)).toBe(2 * HOUR);
    expect(longerStep(60, 7 * HOUR)).toBe(8 * HOUR);
    expect(longerStep(60, 100.5 * DAY)).toBe(101 * DAY);
  });
});
