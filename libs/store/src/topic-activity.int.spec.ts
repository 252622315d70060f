/** When topics had their last message, and which sources repeat most, in a real Postgres. */
import { beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createTestSystem } from '#testing';
import { lastSettled, repeatingSources } from './topic-activity.js';

const EVENTS = 20_000;
const NOW_SECONDS = Date.UTC(2026, 10, 22, 10) / 1_000;

const BUCKET = `
INSERT INTO sekali.histogram (topic, kind, beginning, shard, stored, duplicates, conflicts, dead_letters)
VALUES ($1, $2, to_timestamp($3), $4, 1, 0, 0, 0)`;
const EVENT_ROWS = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't', 'e' || seq, 1, seq, 0 FROM generate_series(1, $1::int) AS seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT 1, seq, 't', 'e' || seq, 's' || seq % 3, now(), '{}', now() FROM generate_series(1, $1::int) AS seq`;
const REPEAT_ROWS = `
INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at, recorded_at)
SELECT 1, 1000000 + n, 't', 'e' || first, 1, first, n % 10 = 0, now(), to_timestamp($1 + n)
FROM unnest($2::int[]) WITH ORDINALITY AS given (first, n)`;

let pool: Pool;

beforeAll(async () => {
  ({ pool } = await createTestSystem({ replicas: 1 }));
});

describe('the last message of a topic', () => {
  it('is in its newest span, whichever length that has', async () => {
    const buckets = [
      ...[
        ['a', 'day', 86_400],
        ['a', 'minute', 600],
        ['a', 'open', 60],
      ],
      ...[
        ['a', 'open', 0],
        ['b', 'hour', 7_200],
        ['b', 'before', 0],
        ['c', 'day', 172_800],
      ],
    ] as const;
    for (const [index, [topic, kind, ago]] of buckets.entries())
      await pool.query(BUCKET, [topic, kind, NOW_SECONDS - ago, index]);
    expect(Object.fromEntries(await lastSettled(pool, ['a', 'b', 'c', 'none']))).toEqual({
      a: { start: NOW_SECONDS, seconds: 60 },
      b: { start: NOW_SECONDS - 7_200, seconds: 3_600 },
      c: { start: NOW_SECONDS - 172_800, seconds: 86_400 },
    });
  });
});

describe('the sources that repeat most', () => {
  it('are counted among the newest repeats, by topic and source', async () => {
    expect(await repeatingSources(pool, 100, 5)).toEqual({ inspected: 0, since: undefined, sources: [] });
    await pool.query(EVENT_ROWS, [EVENTS]);
    // The oldest is not among the newest thirty. Each third event is of the same source.
    const firsts = [5, ...Array.from({ length: 20 }, (_, n) => 3 * (n + 1)), ...Array<number>(10).fill(4)];
    await pool.query(REPEAT_ROWS, [NOW_SECONDS, firsts]);
    const { inspected, since, sources } = await repeatingSources(pool, 30, 5);
    expect([inspected, since]).toEqual([30, new Date((NOW_SECONDS + 2) * 1_000)]);
    expect(sources).toEqual([
      { topic: 't', source: 's0', repeats: 20, conflicts: 2, lastAt: new Date((NOW_SECONDS + 21) * 1_000) },
      { topic: 't', source: 's1', repeats: 10, conflicts: 1, lastAt: new Date((NOW_SECONDS + 31) * 1_000) },
    ]);
    expect((await repeatingSources(pool, 30, 1)).sources).toHaveLength(1);
    await pool.query(`DELETE FROM sekali.event WHERE source = 's1'`);
    expect((await repeatingSources(pool, 30, 5)).sources[1]).toMatchObject({ source: null, repeats: 10 });
  });
});
