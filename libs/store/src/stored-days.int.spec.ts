/** Events by topic and day: which days there are, which topics each has, and that reading one misses nothing. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import type { StoredEvent } from './event-queries.js';
import { grantRights } from './grants.js';
import { ensurePartitions } from './partitions.js';
import { countTopicDay, storedDays, topicsStoredOn, withTopicDay } from './stored-days.js';

const DAY_MS = 86_400_000;
const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT $1, seq, $2, 'e' || seq, 's', now(), '{}', now(), $5 FROM generate_series($3::int, $4::int) AS seq`;
const MANY = 12_345;

let system: TestSystem;
let reader: Pool;
let today: string;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  reader = createPool({ url: urls.reader, name: 'reading', connectionsMax: 1, transactionMsMax: 30_000 });
  await ensurePartitions(system.pool, new Date(Date.now() - 3 * DAY_MS));
  today = new Date().toISOString().slice(0, 10);
  await store(1, 'logs.web', 1, MANY, `${dayBefore(2)}T00:00:00Z`);
  await store(2, 'logs.web', 5, 9, `${dayBefore(2)}T23:59:59.999999Z`);
  await store(1, 'logs', 20_001, 20_003, `${dayBefore(2)}T12:00:00Z`);
  await store(1, 'Orders', 20_004, 20_004, `${dayBefore(1)}T00:00:00Z`);
  // These days have no partition.
  await store(1, 'logs.web', 20_005, 20_006, '2020-02-29T23:59:59.999999Z');
  await store(1, 'orders', 20_007, 20_007, '2020-03-01T00:00:00Z');
});

afterAll(async () => {
  await reader.end();
  await system.dispose();
});

async function store(stream: number, topic: string, first: number, last: number, at: string): Promise<void> {
  await system.pool.query(INSERT, [stream, topic, first, last, at]);
}

function dayBefore(days: number): string {
  return new Date(Date.parse(today) - days * DAY_MS).toISOString().slice(0, 10);
}

async function read(pages: AsyncIterable<readonly StoredEvent[]>): Promise<string[]> {
  const places: string[] = [];
  for await (const page of pages) places.push(...page.map(({ streamId, seq }) => `${streamId}:${seq}`));
  return places;
}

describe('the stored events by topic and day', () => {
  it('are found on each day that has some, in a partition or in none', async () => {
    const found = new Map<string, string[]>();
    for (const { day } of await storedDays(reader)) {
      const topics = await topicsStoredOn(reader, day);
      if (topics.length > 0) found.set(day, topics);
    }
    expect([...found]).toEqual([
      ['2020-02-29', ['logs.web']],
      ['2020-03-01', ['orders']],
      [dayBefore(2), ['logs', 'logs.web']],
      [dayBefore(1), ['Orders']],
    ]);
  });

  it('are found by a pattern', async () => {
    const day = dayBefore(2);
    expect(await topicsStoredOn(reader, day, 'logs.>')).toEqual(['logs.web']);
    expect(await topicsStoredOn(reader, day, '*')).toEqual(['logs']);
    expect(await topicsStoredOn(reader, day, '*.web')).toEqual(['logs.web']);
    expect(await topicsStoredOn(reader, day, 'other.>')).toEqual([]);
  });

  it('say that a day is closed when it has been over for an hour', async () => {
    const states = new Map((await storedDays(reader)).map(({ day, isClosed }) => [day, isClosed]));
    expect(states.get(dayBefore(2))).toBe(true);
    expect(states.get(today)).toBe(false);
  });

  it('are read once each, in the order of incarnations and sequences, over several pages', async () => {
    const topicDay = { topic: 'logs.web', day: dayBefore(2) };
    expect(await countTopicDay(reader, topicDay)).toBe(MANY + 5);
    const first = Array.from({ length: MANY }, (_, n) => `1:${n + 1}`);
    expect(await withTopicDay(reader, topicDay, read)).toEqual([...first, '2:5', '2:6', '2:7', '2:8', '2:9']);
    expect(await withTopicDay(reader, { topic: 'logs', day: dayBefore(1) }, read)).toEqual([]);
  });

  it('are all read from a snapshot while others are dropped', async () => {
    const topicDay = { topic: 'logs.web', day: dayBefore(2) };
    const places: number[] = [];
    await withTopicDay(reader, topicDay, async (pages) => {
      for await (const page of pages) {
        await system.pool.query(
          `DELETE FROM sekali.event WHERE topic = 'logs.web' AND stored_at > '2021-01-01'`,
        );
        places.push(...page.map(({ seq }) => seq));
      }
    });
    expect(places).toHaveLength(MANY + 5);
    expect(await countTopicDay(reader, topicDay)).toBe(0);
  });
});
