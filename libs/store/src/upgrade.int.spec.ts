/** A database of the first version with rows becomes one of this version, and keeps all its knowledge. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, type PostgresAddress } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { createDataSource, migrations } from './data-source.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { findEvent } from './event-queries.js';
import { grantRights } from './grants.js';
import { histogramFaults } from './audit-histogram.js';
import { readHistogram } from './histogram.js';
import { inboxNames } from './inbox-tables.js';
import { knownIdentity } from './known-streams.js';
import { SEKALI_LEDGER, STORE_HORIZON } from './ledger.js';
import { runMigrations } from './migration-run.js';
import { ensurePartitions } from './partitions.js';
import { storeTotals } from './stats-queries.js';

/** The migrations of the first version. */
const FIRST = ['Initial1732233600000', 'ApiKeys1732320000000'];
/** In the first version, the instant of its creation identified a stream. */
const CREATED = '2026-11-01T10:00:00.123456789Z';
const DAY_MS = 86_400_000;

let system: TestSystem;
let address: PostgresAddress;
let pool: Pool;
let worker: Pool;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  pool = system.pool;
  address = { url: system.postgresUrl, name: 'test', connectionsMax: 2, transactionMsMax: 30_000 };
  worker = createPool({ ...address, url: (await createRoles(system.postgresUrl)).worker });
  await pool.query('DROP SCHEMA sekali CASCADE');
  await migrate(FIRST);
  await fill();
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

/** Applies the named migrations that are missing. */
async function migrate(names: readonly string[]): Promise<string[]> {
  const source = await createDataSource(address);
  source.setOptions({ migrations: migrations.filter(({ name }) => names.includes(name)) });
  await source.initialize();
  try {
    return await runMigrations(source);
  } finally {
    await source.destroy();
  }
}

const dayOf = (ahead: number): string => new Date(Date.now() + ahead * DAY_MS).toISOString().slice(0, 10);
const partitionOf = (ahead: number): string => `sekali.event_${dayOf(ahead).replaceAll('-', '')}`;

/**
 * Writes as programs of the first version did: two stream incarnations, one partition and the inbox of a further
 * consumer.
 */
async function fill(): Promise<void> {
  await pool.query(`INSERT INTO sekali.stream (name, created) VALUES ('EVENTS', 'before'), ('EVENTS', $1)`, [
    CREATED,
  ]);
  await pool.query(
    `CREATE TABLE ${partitionOf(0)} PARTITION OF sekali.event FOR VALUES FROM ('${dayOf(0)}') TO ('${dayOf(1)}')`,
  );
  await pool.query(
    `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
     SELECT 't', 'e' || seq, 2, seq, 0 FROM generate_series(1, 3) AS seq`,
  );
  await pool.query(
    `INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
     SELECT stream_id, seq, topic, event_id, 's', now(), '{}', now() FROM sekali.event_key`,
  );
  await pool.query(
    `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
     VALUES (2, 4, 't', 'e1', 2, 1, false, now())`,
  );
  await pool.query(`INSERT INTO sekali.counter VALUES (2, 't', 0, 3, 1, 0, 0, 0)`);
  await pool.query(`INSERT INTO sekali.horizon VALUES (2, 2)`);
  for (const [suffix, model] of Object.entries({
    key: 'event_key',
    duplicate: 'duplicate',
    dead_letter: 'dead_letter',
    attempt: 'attempt',
    counter: 'counter',
  }))
    await pool.query(`CREATE TABLE sekali.totals_${suffix} (LIKE sekali.${model} INCLUDING ALL)`);
  await pool.query(`INSERT INTO sekali.totals_key SELECT * FROM sekali.event_key`);
}

describe('a database of the first version', () => {
  it('is upgraded, and a worker of this version finds what it knows', async () => {
    const all = migrations.map(({ name }) => name);
    expect(await migrate(all)).toEqual(all.slice(FIRST.length));
    await grantRights(pool);

    const key = { name: 'EVENTS', identity: CREATED };
    expect(await knownIdentity(worker, 'EVENTS', CREATED)).toBe(CREATED);
    expect(await knownIdentity(worker, 'EVENTS', 'the brokers have changed it')).toBe(CREATED);
    const incarnation = await SEKALI_LEDGER.registry.of(worker, key);
    expect(incarnation).toEqual({
      streamId: 2,
      revision: 1,
      segments: [{ streamId: 2, after: 0, upTo: Number.MAX_SAFE_INTEGER }],
    });
    expect(await SEKALI_LEDGER.registry.find(worker, { ...key, identity: 'before' })).toMatchObject({
      streamId: 1,
    });
    expect(await STORE_HORIZON.settled(worker, 2)).toBe(4);
    const { events } = await eventPage(worker, {}, FIRST_POSITION, 10, () => Promise.resolve(0));
    expect(events.map(({ eventId }) => eventId)).toEqual(['e1', 'e2', 'e3']);
  });

  it('has no index that only costs, and counts the repeats of an event without it', async () => {
    const { rows } = await pool.query<{ name: string; definition: string }>(
      `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'sekali'`,
    );
    expect(
      rows.filter(({ definition }) => definition.endsWith('(topic, event_id)')).map(({ name }) => name),
    ).toEqual(expect.not.arrayContaining([expect.stringContaining('duplicate')]));
    expect(rows.find(({ name }) => name === 'duplicate_first')?.definition).toMatch(/\(first_seq\)$/);
    expect(rows.filter(({ name }) => /^event_\d+_source/.test(name))).toEqual([]);
    expect(await findEvent(worker, 't', 'e1')).toMatchObject({ duplicatesDropped: 1 });
  });

  it('keeps its figures, its days and its further inboxes', async () => {
    const { all, settledByIdentity } = await storeTotals(pool, 'EVENTS');
    expect(all).toMatchObject({ stored: 3, duplicates: 1 });
    expect(settledByIdentity.get(CREATED)).toMatchObject({ streamId: 2, settled: 4, lastSeq: 4 });
    const made = await ensurePartitions(worker);
    expect(made).toEqual([1, 2, 3, 4, 5, 6, 7].map(partitionOf));
    expect(await inboxNames(worker)).toEqual(['store', 'totals']);
    const { rows } = await worker.query('SELECT count(*)::int AS count FROM sekali.totals_key');
    expect(rows).toEqual([{ count: 3 }]);
    await worker.query(`UPDATE sekali.totals_key SET stream_id = 2 WHERE stream_id = 2`);
  });

  it('counts by time from now on, also what programs of the first version settle', async () => {
    const window = { since: Date.now() / 1_000 - 86_400, until: Date.now() / 1_000 + 60, stepSeconds: 60 };
    const before = await readHistogram(pool, window);
    expect(before.totals).toEqual({ stored: 0, duplicates: 0, conflicts: 0, deadLetters: 0 });
    expect(before.countedSince).toBeGreaterThan(window.since);
    await worker.query(
      `INSERT INTO sekali.counter AS counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
       VALUES (2, 't', 0, 2, 1, 0, 0, 0) ON CONFLICT (stream_id, topic, shard) DO UPDATE SET
       stored = counter.stored + excluded.stored, duplicates = counter.duplicates + excluded.duplicates`,
    );
    expect((await readHistogram(pool, window)).totals).toMatchObject({ stored: 2, duplicates: 1 });
    expect(await histogramFaults(pool, 10)).toEqual([]);
    await worker.query(
      `UPDATE sekali.counter SET stored = stored - 2, duplicates = duplicates - 1 WHERE topic = 't'`,
    );
  });

  it('still serves programs of the first version, which find their streams and register others', async () => {
    const find = `SELECT stream_id FROM sekali.stream WHERE name = $1 AND created = $2`;
    expect((await pool.query(find, ['EVENTS', CREATED])).rows).toEqual([{ stream_id: 2 }]);
    const register = `INSERT INTO sekali.stream (name, created) VALUES ($1, $2) ON CONFLICT DO NOTHING`;
    for (const expected of [1, 0])
      expect((await pool.query(register, ['EVENTS', 'later'])).rowCount).toBe(expected);
    expect(await SEKALI_LEDGER.registry.find(pool, { name: 'EVENTS', identity: 'later' })).toMatchObject({
      revision: 1,
    });
  });
});
