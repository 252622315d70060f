/** The migrations create the committed schema, and the event table has a partition for every day. */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, type TestSystem } from '#testing';
import { createDataSource, migrations } from './data-source.js';
import { runMigrations } from './migration-run.js';
import { ensurePartitions } from './partitions.js';
import { schemaText } from './schema-text.js';

const committed = new URL('../schema.sql', import.meta.url);
let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(async () => {
  await system.dispose();
});

async function partitions(): Promise<string[]> {
  const { rows } = await system.pool.query<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'sekali.event'::regclass ORDER BY 1`,
  );
  return rows.map(({ name }) => name.replace('sekali.', ''));
}

function dayName(ahead: number): string {
  return `event_${new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

describe('the schema', () => {
  it('equals schema.sql, which UPDATE_SCHEMA=1 writes', async () => {
    const text = await schemaText(system.pool);
    if (process.env['UPDATE_SCHEMA'] === '1') writeFileSync(committed, text);
    expect(text).toBe(readFileSync(committed, 'utf8'));
  });

  it('has a unique constraint on (topic, event_id)', async () => {
    const insert = `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('t', 'e', 1, $1, 0)`;
    await system.pool.query(insert, [1]);
    await expect(system.pool.query(insert, [2])).rejects.toMatchObject({ code: '23505' });
  });

  it('is migrated once, also when three processes do it at the same time', async () => {
    const empty = `${new URL(system.postgresUrl).pathname.slice(1)}_empty`;
    await system.pool.query(`CREATE DATABASE ${empty} TEMPLATE template0`);
    const url = new URL(system.postgresUrl);
    url.pathname = `/${empty}`;
    const address = { url: url.href, name: 'test', connectionsMax: 2, transactionMsMax: 30_000 };
    const sources = await Promise.all([1, 2, 3].map(() => createDataSource(address)));
    await Promise.all(sources.map((source) => source.initialize()));
    const applied = await Promise.all(sources.map((source) => runMigrations(source)));
    await Promise.all(sources.map((source) => source.destroy()));
    await system.pool.query(`DROP DATABASE ${empty}`);
    expect(applied.flat()).toEqual(migrations.map((migration) => migration.name));
  });
});

describe('the partitions of the event table', () => {
  it('reach a week ahead', async () => {
    const expected = Array.from({ length: 8 }, (_, ahead) => dayName(ahead));
    expect(await partitions()).toEqual(expect.arrayContaining(expected));
  });

  it('are created again when they are missing, by several processes at once, and get the events of the default partition', async () => {
    await system.pool.query(`DROP TABLE sekali.${dayName(0)}`);
    await system.pool.query(
      `INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
       VALUES (1, 77, 't', 'caught', 's', now(), '{}', now())`,
    );
    const made = await Promise.all([1, 2, 3].map(() => ensurePartitions(system.pool)));
    expect(made.flat()).toContain(`sekali.${dayName(0)}`);
    const { rows } = await system.pool.query(
      `SELECT tableoid::regclass::text AS place FROM sekali.event WHERE seq = 77`,
    );
    expect(rows).toEqual([{ place: expect.stringMatching(new RegExp(`${dayName(0)}$`)) }]);
    expect(await ensurePartitions(system.pool)).toEqual([]);
  });
});
