/**
 * Events that were exported, read back by DuckDB and compared with the database. The export runs in this process, with
 * the rights of a reader.
 */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { DuckDBInstance, type DuckDBConnection } from '@duckdb/node-api';
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { ensurePartitions, grantRights, type StoredEvent } from '#store';
import { findRepositoryRoot } from '#local-cluster';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { ParquetFile, readFooter } from './parquet-file.js';
import { EventExport, type Selection } from './event-export.js';
import type { Exported } from './report.js';

const DAY_MS = 86_400_000;
const TODAY = new Date().toISOString().slice(0, 10);
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT 1, seq, topic, event_id, source, "timestamp"::timestamptz, payload::jsonb, "timestamp"::timestamptz, stored_at::timestamptz
FROM json_to_recordset($1) AS event (seq bigint, topic text, event_id text, source text, "timestamp" text, payload text, stored_at text)`;
const IN_POSTGRES = `
SELECT topic, event_id, (extract(epoch FROM "timestamp") * 1000000)::bigint::text AS "timestamp", source,
  payload::text AS payload, seq::text AS seq, (extract(epoch FROM published_at) * 1000000)::bigint::text AS published_at,
  (extract(epoch FROM stored_at) * 1000000)::bigint::text AS stored_at
FROM sekali.event ORDER BY topic, event_id`;
const IN_FILES = `
SELECT topic, event_id, epoch_us("timestamp")::VARCHAR AS "timestamp", source, payload::VARCHAR AS payload,
  seq::VARCHAR AS seq, epoch_us(published_at)::VARCHAR AS published_at, epoch_us(stored_at)::VARCHAR AS stored_at
FROM read_parquet('FOLDER/*/*/*.parquet') ORDER BY topic, event_id`;

interface NewEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly timestamp: string;
  readonly payload: string;
  readonly stored_at: string;
}

let system: TestSystem;
let reader: Pool;
let instance: DuckDBInstance;
let duckdb: DuckDBConnection;
let folder: string;
let sequence = 0;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  reader = createPool({ url: urls.reader, name: 'exporting', connectionsMax: 1, transactionMsMax: 60_000 });
  await grantRights(system.pool);
  await ensurePartitions(system.pool, new Date(Date.now() - 5 * DAY_MS));
  instance = await DuckDBInstance.create(':memory:');
  duckdb = await instance.connect();
});

afterAll(async () => {
  duckdb.closeSync();
  instance.closeSync();
  await reader.end();
  await system.dispose();
});

beforeEach(async () => {
  await system.pool.query('DELETE FROM sekali.event');
  folder = mkdtempSync(join(tmpdir(), 'sekali-export-'));
});

afterEach(() => {
  rmSync(folder, { recursive: true });
});

function dayBefore(days: number): string {
  return new Date(Date.parse(TODAY) - days * DAY_MS).toISOString().slice(0, 10);
}

/** Stores events, each with what is left out. */
async function store(...events: readonly Partial<NewEvent>[]): Promise<void> {
  const rows = events.map((event) => {
    sequence += 1;
    const defaults: NewEvent = {
      ...{ topic: 'orders', event_id: `e${sequence}`, source: 's', payload: '{}' },
      ...{ timestamp: '2026-11-22T10:00:00Z', stored_at: `${dayBefore(2)}T10:00:00Z` },
    };
    return { seq: sequence, ...defaults, ...event };
  });
  await system.pool.query(INSERT, [JSON.stringify(rows)]);
}

async function run(selection: Selection = {}): Promise<Exported> {
  return new EventExport(reader, folder, selection, new AbortController().signal).run();
}

async function inFiles(query = IN_FILES): Promise<Record<string, unknown>[]> {
  const result = await duckdb.runAndReadAll(query.replaceAll('FOLDER', folder));
  return result.getRowObjects();
}

async function inPostgres(): Promise<Record<string, unknown>[]> {
  return (await system.pool.query<Record<string, unknown>>(IN_POSTGRES)).rows;
}

/** All files of the folder, by their paths in it. */
function files(): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((path) => statSync(join(folder, path)).isFile())
    .sort();
}

function pathOf(topic: string, day: string): string {
  return join(`topic=${topic}`, `day=${day}`, 'part.parquet');
}

/** JSON texts of objects, with numbers that no double holds, and every character that the store takes. */
const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\0'));
const number = fc
  .tuple(fc.bigInt({ min: -(10n ** 40n), max: 10n ** 40n }), fc.integer({ min: 0, max: 30 }))
  .map(([digits, zeros]) => `${digits}.${'0'.repeat(zeros)}1`);
const member = fc.oneof(
  number,
  text.map((value) => JSON.stringify(value)),
  fc.constantFrom('null', '[]', '{"a":[1e3]}'),
);
const payload = fc.dictionary(text, member, { maxKeys: 4 }).map(
  (members) =>
    `{${Object.entries(members)
      .map(([key, value]) => `${JSON.stringify(key)}:${value}`)
      .join(',')}}`,
);
const anEvent = fc.record({
  topic: fc.constantFrom('orders', 'Orders.created', 'a-b_c', 't'.repeat(64)),
  event_id: fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 }),
  source: text,
  timestamp: fc
    .tuple(
      fc.date({
        min: new Date('0001-01-01T00:00:00Z'),
        max: new Date('9999-12-31T23:59:59Z'),
        noInvalidDate: true,
      }),
      fc.integer({ min: 0, max: 999 }),
    )
    .map(([date, micros]) => date.toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`)),
  payload,
  stored_at: fc.constantFrom(
    `${dayBefore(3)}T00:00:00Z`,
    `${dayBefore(2)}T23:59:59.999999Z`,
    '2020-02-29T12:00:00Z',
  ),
});

describe('an export', () => {
  it('has every event once, with every digit, microsecond and character', async () => {
    const events = fc.uniqueArray(anEvent, {
      selector: ({ topic, event_id: id }) => `${topic}:${id}`,
      minLength: 1,
      maxLength: 60,
    });
    await fc.assert(
      fc.asyncProperty(events, async (given) => {
        await system.pool.query('DELETE FROM sekali.event');
        rmSync(folder, { recursive: true });
        mkdirSync(folder);
        await store(...given);
        const days = new Set(given.map(({ topic, stored_at: at }) => pathOf(topic, at.slice(0, 10))));
        expect(await run()).toMatchObject({ files: days.size, events: given.length, isInterrupted: false });
        expect(files()).toEqual([...days].sort());
        expect(await inFiles()).toEqual(await inPostgres());
      }),
      { numRuns: 10 },
    );
  }, 60_000);

  it('is read by DuckDB as one table, also with topics that are long or look like numbers', async () => {
    const long = `${'x'.repeat(64)}.`.repeat(8).slice(0, -1);
    await store(
      { topic: 'logs.web', payload: '{"n": 12345678901234567890.10}' },
      { topic: '007' },
      { topic: long },
    );
    await run();
    const described = await inFiles(`DESCRIBE FROM 'FOLDER/*/*/*.parquet'`);
    expect(described.map(({ column_name: name, column_type: type }) => [name, type])).toEqual([
      ['topic', 'VARCHAR'],
      ['event_id', 'VARCHAR'],
      ['timestamp', 'TIMESTAMP WITH TIME ZONE'],
      ['source', 'VARCHAR'],
      ['payload', 'JSON'],
      ['seq', 'BIGINT'],
      ['published_at', 'TIMESTAMP WITH TIME ZONE'],
      ['stored_at', 'TIMESTAMP WITH TIME ZONE'],
      ['day', 'DATE'],
    ]);
    const numbers = await inFiles(
      `SELECT payload::VARCHAR AS text FROM 'FOLDER/*/*/*.parquet' WHERE topic = 'logs.web'`,
    );
    expect(numbers).toEqual([{ text: '{"n": 12345678901234567890.10}' }]);
    const topics = await inFiles(
      `SELECT topic FROM read_parquet('FOLDER/*/*/*.parquet', hive_partitioning = false) ORDER BY topic`,
    );
    expect(topics.map(({ topic }) => topic)).toEqual(['007', 'logs.web', long]);
  });

  it('leaves files of closed days, writes those of other days again, and adds what is missing', async () => {
    const now = new Date().toISOString();
    await store({ event_id: 'old' }, { event_id: 'first', stored_at: now });
    expect(await run()).toMatchObject({ files: 2, events: 2, present: 0, openDays: [TODAY] });
    const closed = join(folder, pathOf('orders', dayBefore(2)));
    const bytes = readFileSync(closed);
    await system.pool.query(`DELETE FROM sekali.event WHERE event_id = 'old'`);
    await store({ event_id: 'late' }, { event_id: 'second', stored_at: now }, { topic: 'other' });
    expect(await run()).toMatchObject({ files: 2, events: 3, present: 1, openDays: [TODAY], kept: [] });
    expect(readFileSync(closed).equals(bytes)).toBe(true);
    const ids = await inFiles(`SELECT event_id FROM 'FOLDER/topic=orders/*/*.parquet' ORDER BY event_id`);
    expect(ids.map(({ event_id: id }) => id)).toEqual(['first', 'old', 'second']);
    expect(files()).toHaveLength(3);
  });

  it('takes the topics and days that are asked for, and leaves no file where there is nothing', async () => {
    await store(
      ...[1, 2, 3].map((days) => ({ topic: 'logs.web', stored_at: `${dayBefore(days)}T00:00:00Z` })),
      ...[1, 2, 3].map((days) => ({ topic: 'logs', stored_at: `${dayBefore(days)}T23:59:59.999999Z` })),
    );
    expect(await run({ topic: 'logs.*', since: dayBefore(2), until: dayBefore(1) })).toMatchObject({
      files: 1,
    });
    expect(files()).toEqual([pathOf('logs.web', dayBefore(2))]);
    expect(await run({ topic: 'logs', until: dayBefore(1) })).toMatchObject({ files: 2 });
    expect(await run({ topic: 'none' })).toMatchObject({ files: 0, events: 0 });
    expect(readdirSync(folder).sort()).toEqual(['topic=logs', 'topic=logs.web']);
  });

  it('does not replace a file by one with fewer events', async () => {
    const at = { stored_at: new Date().toISOString() };
    await store({ event_id: 'a', ...at }, { event_id: 'b', ...at });
    await run();
    await system.pool.query(`DELETE FROM sekali.event WHERE event_id = 'a'`);
    expect(await run()).toMatchObject({ files: 0, kept: [join(folder, pathOf('orders', TODAY))] });
    expect(await inFiles(`SELECT event_id FROM 'FOLDER/*/*/*.parquet'`)).toHaveLength(2);
    expect(files()).toHaveLength(1);
  });

  it('writes over nothing that is not its own', async () => {
    await store({ topic: 'orders' }, { topic: 'shipped' });
    await run({ topic: 'orders' });
    const theirs = join(folder, pathOf('shipped', dayBefore(2)));
    mkdirSync(dirname(theirs), { recursive: true });
    // As on a file system that takes one topic for the other.
    copyFileSync(join(folder, pathOf('orders', dayBefore(2))), theirs);
    await expect(run()).rejects.toThrow(`${theirs} has topic orders, where events of shipped belong`);
    for (const content of ['', 'PAR1 and more', readFileSync(theirs).subarray(0, -1)]) {
      writeFileSync(theirs, content);
      await expect(run()).rejects.toThrow(`${theirs} is not a file of this command`);
      expect(readFileSync(theirs).equals(Buffer.from(content))).toBe(true);
    }
    rmSync(theirs);
    writeFileSync(`${theirs}.unfinished-0`, 'of a run that was killed');
    expect(await run()).toMatchObject({ files: 1, present: 1 });
    expect(files()).toHaveLength(2);
  });

  it('leaves nothing behind where a file cannot be written', async () => {
    await store({});
    mkdirSync(join(folder, 'topic=orders'));
    writeFileSync(join(folder, 'topic=orders', `day=${dayBefore(2)}`), 'in the way');
    await expect(run()).rejects.toThrow(/cannot (read|write) .*: not a directory/);
  });
});

describe('a file of many events', () => {
  it('has bounded groups of rows, each of which was written before the next one began', async () => {
    const events = 110_000;
    const path = join(folder, 'part.parquet');
    const file = await ParquetFile.create(path, { who: 'a test' });
    const event: StoredEvent = {
      ...{ streamId: 1, seq: 1, topic: 't', eventId: 'e', source: 's', payload: '{}' },
      ...{
        timestamp: '0001-01-01T00:00:00.000Z',
        publishedAt: '9999-12-31T23:59:59.999999Z',
        storedAt: `${TODAY}T00:00:00.000Z`,
      },
    };
    const sizes = new Set<number>();
    for (let seq = 0; seq < events; seq += 10_000) {
      await file.add(Array.from({ length: 10_000 }, (_, n) => ({ ...event, seq: seq + n })));
      sizes.add(statSync(path).size);
    }
    // A few large events fill a group as well.
    const payload = `{"text":"${'x'.repeat(1_000_000)}"}`;
    for (let n = 0; n < 40; n++) await file.add([{ ...event, seq: events + n, payload }]);
    await file.finish();
    await file.close();
    expect(sizes.size).toBeGreaterThan(1);
    expect(await readFooter(path)).toEqual({ events: events + 40, marks: { who: 'a test' } });
    const groups = await inFiles(
      `SELECT DISTINCT row_group_id AS id, row_group_num_rows AS n FROM parquet_metadata('FOLDER/part.parquet') ORDER BY id`,
    );
    expect(groups.map(({ n }) => Number(n))).toEqual([100_000, 10_034, 6]);
    const [sums] = await inFiles(
      `SELECT sum(seq)::VARCHAR AS seq, min(epoch_us("timestamp")) AS first, max(epoch_us(published_at)) AS last FROM 'FOLDER/part.parquet'`,
    );
    const all = events + 40;
    expect(sums).toEqual({
      ...{ seq: String((all * (all - 1)) / 2) },
      ...{ first: -62_135_596_800_000_000n, last: 253_402_300_799_999_999n },
    });
  });
});

describe('the README', () => {
  it('has queries that DuckDB answers', async () => {
    const readme = readFileSync(join(findRepositoryRoot(), 'apps/cli/README.md'), 'utf8');
    const queries = (/```sql\n([^]*?)```/.exec(readme)?.[1] ?? '').split('\n\n');
    expect(queries).toHaveLength(3);
    const at = { timestamp: '2026-11-22T10:00:00Z', stored_at: `${dayBefore(2)}T10:00:00Z` };
    await store(
      { topic: 'orders.created', payload: '{"total": 1234567890123.10}', ...at },
      { topic: 'orders.created', payload: '{"total": 0.05}', ...at },
      { topic: 'logs', ...at },
    );
    await run();
    const [counts, sums, lateness] = await Promise.all(
      queries.map((query) => inFiles(query.replaceAll(`'events/`, `'${folder}/`))),
    );
    expect(counts?.map(({ day, topic, events }) => [String(day), topic, events])).toEqual([
      [dayBefore(2), 'logs', 1n],
      [dayBefore(2), 'orders.created', 2n],
    ]);
    expect(sums?.map(({ topic, total }) => [topic, String(total)])).toEqual([
      ['orders.created', '1234567890123.15'],
    ]);
    expect(lateness?.map(({ topic }) => topic)).toEqual(['logs', 'orders.created']);
  });
});
