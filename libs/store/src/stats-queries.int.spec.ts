import { describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, waitFor } from '#testing';
import { BrokerDuplicates } from './broker-duplicates.js';
import { SEKALI_LEDGER } from './ledger.js';
import { pendingMigrations } from './schema-state.js';
import {
  storeTotals,
  topicTotals,
  withOwnDuplicates,
  type TopicPage,
  type TopicTotals,
} from './stats-queries.js';

const INSERT_COUNTER = `
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;

async function brokerDuplicatesOf(database: Queryable, topic: string): Promise<number> {
  const { topics } = await storeTotals(database, 'any');
  return topics.find((totals) => totals.topic === topic)?.brokerDuplicates ?? 0;
}

describe('the totals', () => {
  it('sum all shards and streams, and give the settled sequences of each identity', async () => {
    const { pool, streamName } = await createTestSystem();
    const { streamId: first } = await SEKALI_LEDGER.registry.of(pool, {
      name: streamName,
      identity: 'first',
    });
    const { streamId: second } = await SEKALI_LEDGER.registry.of(pool, {
      name: streamName,
      identity: 'second',
    });
    const { streamId: other } = await SEKALI_LEDGER.registry.of(pool, { name: 'OTHER', identity: 'first' });
    await pool.query(INSERT_COUNTER, [first, 'b', 0, 10, 3, 1, 2, 5]);
    await pool.query(INSERT_COUNTER, [first, 'b', 1, 1, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [second, 'a', 0, 4, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [second, 'b', 0, 1, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [other, 'a', 0, 100, 0, 0, 0, 0]);
    await pool.query(
      `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('b', 'x', $1, 17, 0)`,
      [first],
    );
    const { topics, all, settledByIdentity } = await storeTotals(pool, streamName);
    const b = {
      stored: 12,
      duplicates: 3,
      conflicts: 1,
      deadLetters: 2,
      redelivered: 5,
      brokerDuplicates: 0,
    };
    expect(topics).toEqual([expect.objectContaining({ topic: 'a', stored: 104 }), { topic: 'b', ...b }]);
    expect(settledByIdentity).toEqual(
      new Map([
        ['first', { streamId: first, registeredMs: expect.any(Number), settled: 16, lastSeq: 17 }],
        ['second', { streamId: second, registeredMs: expect.any(Number), settled: 5, lastSeq: 0 }],
      ]),
    );
    expect(all).toEqual({ ...b, stored: 116 });
  });
});

describe('the topics', () => {
  const COUNT = `
    INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
    SELECT $1, topic, shard, 1, 0, 0, 0, 0 FROM unnest($2::text[]) AS topic, generate_series(0, $3::integer - 1) AS shard`;
  const names = (from: number, to: number): string[] =>
    Array.from({ length: to - from + 1 }, (_, n) => `t${String(from + n).padStart(4, '0')}`);

  it('are on one page each, with all their figures, whichever source counted them', async () => {
    const { pool, streamName } = await createTestSystem();
    const { streamId: first } = await SEKALI_LEDGER.registry.of(pool, {
      name: streamName,
      identity: 'first',
    });
    const { streamId: second } = await SEKALI_LEDGER.registry.of(pool, {
      name: streamName,
      identity: 'second',
    });
    await pool.query(COUNT, [first, names(1, 40), 16]);
    await pool.query(COUNT, [second, names(21, 60), 3]);
    const [own, other] = [new BrokerDuplicates(pool), new BrokerDuplicates(pool)];
    own.add('t0030', 5);
    own.add('a first');
    for (const topic of names(55, 70)) other.add(topic);
    await Promise.all([own.flush(), other.flush()]);
    own.add('t0031');
    const sums = await storeTotals(pool, streamName, { topicsMax: 10, withoutGateway: own.own().gateway });
    expect([sums.topics.map(({ topic }) => topic), sums.isCut]).toEqual([names(1, 10), true]);
    expect([sums.all.stored, sums.all.brokerDuplicates]).toEqual([40 * 16 + 40 * 3, 16]);
    const found: TopicTotals[] = [];
    for (let after: string | undefined = ''; after !== undefined;) {
      const { gateway, totals } = own.own();
      const read = await topicTotals(pool, after, { topicsMax: 7, withoutGateway: gateway });
      const page: TopicPage = withOwnDuplicates(read, totals, after, 7);
      found.push(...page.topics);
      after = page.isCut ? page.topics.at(-1)?.topic : undefined;
    }
    expect(found.map(({ topic }) => topic)).toEqual(['a first', ...names(1, 70)]);
    expect(found.reduce((sum, { stored }) => sum + stored, 0)).toBe(40 * 16 + 40 * 3);
    const of = (topic: string): unknown => found.find((one) => one.topic === topic);
    expect(of('t0030')).toMatchObject({ stored: 19, brokerDuplicates: 5 });
    expect(of('t0031')).toMatchObject({ brokerDuplicates: 1 });
    expect(of('t0060')).toMatchObject({ stored: 3, brokerDuplicates: 1 });
    expect(of('t0070')).toMatchObject({ stored: 0, brokerDuplicates: 1 });
  });

  it('of one page are read only from their part of the index', async () => {
    const { pool, streamName } = await createTestSystem();
    const { streamId } = await SEKALI_LEDGER.registry.of(pool, { name: streamName, identity: 'first' });
    await pool.query(COUNT, [streamId, names(1, 9_999), 4]);
    await pool.query('ANALYZE sekali.counter');
    let rowsRead = 0;
    const explaining: Queryable = {
      query: async (text, values = []) => {
        const { rows } = await pool.query<Record<'QUERY PLAN', string>>(
          `EXPLAIN (ANALYZE, TIMING OFF, COSTS OFF) ${text}`,
          [...values],
        );
        const scans = rows.flatMap((row) => [
          ...row['QUERY PLAN'].matchAll(/Scan .*on counter.*actual rows=([\d.]+) loops=(\d+)/g),
        ]);
        for (const [, read, loops] of scans) rowsRead += Number(read) * Number(loops);
        return pool.query(text, [...values]);
      },
    };
    const page = await topicTotals(explaining, 't5000', { topicsMax: 20 });
    expect(page.topics.map(({ topic }) => topic)).toEqual(names(5_001, 5_020));
    expect(rowsRead).toBeGreaterThan(0);
    expect(rowsRead).toBeLessThan(1_000);
  });
});

describe('duplicates that the brokers dropped', () => {
  it('of every gateway are summed, and a timer writes them', async () => {
    const { pool } = await createTestSystem();
    const gateways = [new BrokerDuplicates(pool), new BrokerDuplicates(pool)];
    gateways[0]?.add('a', 2);
    gateways[1]?.add('a');
    await waitFor(async () => (await brokerDuplicatesOf(pool, 'a')) === 3, {
      timeoutMs: 5_000,
      describe: 'both gateways to have written',
    });
    gateways[0]?.add('a');
    await gateways[0]?.flush();
    expect(await brokerDuplicatesOf(pool, 'a')).toBe(4);
  });

  it('are written after an outage, and count once although an answer was lost', async () => {
    const { pool } = await createTestSystem();
    let refuse = 2;
    const failing: Queryable = {
      query: async (text, values) => {
        const result = refuse === 1 ? await pool.query(text, [...(values ?? [])]) : undefined;
        if (refuse-- > 0) throw new Error('the database does not answer');
        return result ?? pool.query(text, [...(values ?? [])]);
      },
    };
    const errors: unknown[] = [];
    const duplicates = new BrokerDuplicates(failing, {
      writeEveryMs: 10,
      onError: (error) => errors.push(error),
    });
    duplicates.add('a', 5);
    await waitFor(() => errors.length === 2 && refuse < 0, { timeoutMs: 5_000, describe: 'the third write' });
    await duplicates.flush();
    expect(await brokerDuplicatesOf(pool, 'a')).toBe(5);
  });

  it('are all counted, also for more topics than memory may hold', async () => {
    const { pool } = await createTestSystem();
    const duplicates = new BrokerDuplicates(pool, { topicsMax: 10, writeEveryMs: 1 });
    for (let n = 0; n < 30; n++) {
      duplicates.add(`t${n}`);
      if (n % 10 === 9) await duplicates.flush();
    }
    for (let n = 0; n < 15; n++) duplicates.add(`u${n}`);
    await duplicates.flush();
    duplicates.add('t0');
    await duplicates.flush();
    const { topics } = await storeTotals(pool, 'any');
    expect(topics.reduce((sum, topic) => sum + topic.brokerDuplicates, 0)).toBe(46);
    expect(await brokerDuplicatesOf(pool, 't0')).toBe(2);
    expect(await brokerDuplicatesOf(pool, '(other)')).toBe(5);
  });
});

describe('the state of the schema', () => {
  it('lists the missing migrations', async () => {
    const { pool } = await createTestSystem();
    expect(await pendingMigrations(pool)).toEqual([]);
    await pool.query('DELETE FROM sekali.migration');
    expect((await pendingMigrations(pool)).length).toBeGreaterThan(0);
    await pool.query('DROP SCHEMA sekali CASCADE');
    expect((await pendingMigrations(pool)).length).toBeGreaterThan(0);
  });
});
