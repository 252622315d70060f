/** Times are in UTC, whatever time zone the database, the URL or a pooler gives a session. */
import { afterEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createPool, type Queryable } from '#postgres';
import { createTestSystem } from '#testing';
import { createDataSource } from './data-source.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { findEvent } from './event-queries.js';
import { ensurePartitions } from './partitions.js';

const ADDRESS = { name: 'test', connectionsMax: 1, transactionMsMax: 20_000 };
const INSERT_EVENT = `
WITH stream AS (INSERT INTO sekali.stream (name, created) VALUES ('S', 'first') RETURNING stream_id),
key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) SELECT 't', 'e', stream_id, 1, 0 FROM stream
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT stream_id, 1, 't', 'e', 's', '2026-11-22T10:00:00Z', '{}', '2026-11-22T10:00:00Z' FROM stream`;
const pools: pg.Pool[] = [];

afterEach(async () => {
  await Promise.all(pools.splice(0).map((pool) => pool.end()));
});

async function timesOf(database: Queryable): Promise<string[]> {
  const { events } = await eventPage(database, {}, FIRST_POSITION, 10, () => Promise.resolve(0));
  const one = await findEvent(database, 't', 'e');
  if (one.state !== 'stored') throw new Error(one.state);
  return [...events, one.event].flatMap(({ timestamp, publishedAt }) => [timestamp, publishedAt]);
}

describe('a session', () => {
  it('is in UTC and bounded, although the URL has its own options and the database has another time zone', async () => {
    const system = await createTestSystem();
    await system.pool.query(INSERT_EVENT);
    const name = new URL(system.postgresUrl).pathname.slice(1);
    await system.pool.query(`ALTER DATABASE ${name} SET timezone = 'Asia/Jakarta'`);
    await system.pool.query(`ALTER DATABASE ${name} SET datestyle = 'German'`);
    const url = `${system.postgresUrl}?options=-c%20search_path%3Dpublic`;
    const pool = createPool({ ...ADDRESS, url });
    pools.push(pool);
    const source = await createDataSource({ ...ADDRESS, url });
    await source.initialize();
    const settings = `SELECT current_setting('timezone') AS zone, current_setting('transaction_timeout') AS transaction,
      current_setting('statement_timeout') AS statement, current_setting('idle_in_transaction_session_timeout') AS idle`;
    const bounds = { zone: 'UTC', transaction: '20s', statement: '20s', idle: '20s' };
    expect((await pool.query(settings)).rows).toEqual([bounds]);
    expect(await source.query(settings)).toEqual([bounds]);
    await source.destroy();
    expect(new Set(await timesOf(pool))).toEqual(new Set(['2026-11-22T10:00:00.000Z']));
    expect(
      (await pool.query<{ at: Date }>(`SELECT '2026-11-22T10:00:00Z'::timestamptz AS at`)).rows[0]?.at,
    ).toEqual(new Date('2026-11-22T10:00:00Z'));
  });

  it('returns times in UTC, also when a pooler has reset its time zone', async () => {
    const system = await createTestSystem();
    await system.pool.query(INSERT_EVENT);
    const pooled = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
    pools.push(pooled);
    await pooled.query(`SET timezone = 'Asia/Jakarta'`);
    expect(new Set(await timesOf(pooled))).toEqual(new Set(['2026-11-22T10:00:00.000Z']));
  });
});

describe('the partitions', () => {
  const BOUNDS = `
    SELECT part.relname AS name, pg_get_expr(part.relpartbound, part.oid) AS bound
    FROM pg_inherits JOIN pg_class part ON part.oid = inhrelid
    WHERE inhparent = 'sekali.event'::regclass AND part.relname <> 'event_default' ORDER BY 1`;

  /** A day that has no partition yet, in the form `2027-01-05`. */
  const day = (after: number): string =>
    new Date(Date.now() + (30 + after) * 86_400_000).toISOString().slice(0, 10);
  const nameOf = (after: number): string => `event_${day(after).replaceAll('-', '')}`;

  it('are days in UTC, whatever the time zone of the session', async () => {
    const system = await createTestSystem();
    const pooled = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
    pools.push(pooled);
    await pooled.query(`SET timezone = 'Asia/Jakarta'`);
    const made = await ensurePartitions(pooled, new Date(`${day(0)}T20:00:00Z`));
    expect(made[0]).toBe(`sekali.${nameOf(0)}`);
    const { rows } = await system.pool.query<{ name: string; bound: string }>(BOUNDS);
    expect(rows.find(({ name }) => name === nameOf(0))?.bound).toBe(
      `FOR VALUES FROM ('${day(0)} 00:00:00+00') TO ('${day(1)} 00:00:00+00')`,
    );
  });

  it('continue where those of another time zone end, without a gap or an overlap', async () => {
    const system = await createTestSystem();
    // A session in another time zone creates days that begin at 17:00 of the day before.
    for (const after of [0, 1]) {
      await system.pool.query(
        `CREATE TABLE sekali.${nameOf(after)} PARTITION OF sekali.event
         FOR VALUES FROM ('${day(after)} 00:00:00+07') TO ('${day(after + 1)} 00:00:00+07')`,
      );
    }
    const evening = new Date(`${day(0)}T20:00:00Z`);
    const made = await ensurePartitions(system.pool, evening);
    const rest = `${nameOf(1)}_1700`;
    expect(made.slice(0, 2)).toEqual([`sekali.${rest}`, `sekali.${nameOf(2)}`]);
    expect(made).toHaveLength(7);
    const { rows } = await system.pool.query<{ name: string; bound: string }>(BOUNDS);
    expect(rows.find(({ name }) => name === rest)?.bound).toBe(
      `FOR VALUES FROM ('${day(1)} 17:00:00+00') TO ('${day(2)} 00:00:00+00')`,
    );
    expect(await ensurePartitions(system.pool, evening)).toEqual([]);
  });
});
