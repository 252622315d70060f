import { describe, expect, it } from '@jest/globals';
import { createTestSystem, waitFor } from '#testing';
import { BrokerDuplicates } from './broker-duplicates.js';
import type { Queryable } from './queryable.js';
import { pendingMigrations } from './schema-state.js';
import { storeTotals } from './stats-queries.js';
import { streamIdOf } from './stream-registry.js';

const INSERT_COUNTER = `
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`;

async function brokerDuplicatesOf(database: Queryable, topic: string): Promise<number> {
  const { topics } = await storeTotals(database, 'any');
  return topics.find((totals) => totals.topic === topic)?.brokerDuplicates ?? 0;
}

describe('the totals', () => {
  it('sum every shard and making of the stream, and tell settled sequences by making', async () => {
    const { pool, streamName } = await createTestSystem();
    const first = await streamIdOf(pool, { name: streamName, identity: 'first' });
    const second = await streamIdOf(pool, { name: streamName, identity: 'second' });
    const other = await streamIdOf(pool, { name: 'OTHER', identity: 'first' });
    await pool.query(INSERT_COUNTER, [first, 'b', 0, 10, 3, 1, 2, 5]);
    await pool.query(INSERT_COUNTER, [first, 'b', 1, 1, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [second, 'a', 0, 4, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [second, 'b', 0, 1, 0, 0, 0, 0]);
    await pool.query(INSERT_COUNTER, [other, 'a', 0, 100, 0, 0, 0, 0]);
    const { topics, settledByIdentity } = await storeTotals(pool, streamName);
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
        ['first', 16],
        ['second', 5],
      ]),
    );
  });
});

describe('duplicates that the brokers dropped', () => {
  it('of every gateway are summed, and written by themselves', async () => {
    const { pool } = await createTestSystem();
    const gateways = [new BrokerDuplicates(pool), new BrokerDuplicates(pool)];
    gateways[0]?.add('a', 2);
    gateways[1]?.add('a');
    await waitFor(async () => (await brokerDuplicatesOf(pool, 'a')) === 3, {
      withinMs: 5_000,
      describe: 'both gateways to have written',
    });
    gateways[0]?.add('a');
    await gateways[0]?.flush();
    expect(await brokerDuplicatesOf(pool, 'a')).toBe(4);
  });

  it('are written after an outage, and count once when an answer was lost', async () => {
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
    await waitFor(() => errors.length === 2 && refuse < 0, { withinMs: 5_000, describe: 'the third write' });
    await duplicates.flush();
    expect(await brokerDuplicatesOf(pool, 'a')).toBe(5);
  });

  it('of more topics than memory may hold are all counted', async () => {
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
  it('knows which migrations are missing', async () => {
    const { pool } = await createTestSystem();
    expect(await pendingMigrations(pool)).toEqual([]);
    await pool.query('DELETE FROM sekali.migration');
    expect((await pendingMigrations(pool)).length).toBeGreaterThan(0);
    await pool.query('DROP SCHEMA sekali CASCADE');
    expect((await pendingMigrations(pool)).length).toBeGreaterThan(0);
  });
});
