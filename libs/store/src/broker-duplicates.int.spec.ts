/** Counts of duplicates that the brokers dropped: written as totals, delayed by an outage, ended by the end. */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createPool } from '#postgres';
import { createTestSystem } from '#testing';
import { BrokerDuplicates } from './broker-duplicates.js';

afterEach(() => {
  jest.useRealTimers();
});

describe('duplicates seen by a gateway', () => {
  it('are written as totals, so that writing again changes nothing', async () => {
    const system = await createTestSystem();
    const counts = new BrokerDuplicates(system.pool);
    counts.add('a', 2);
    await counts.flush();
    counts.add('a');
    counts.add('b');
    await counts.flush();
    await counts.flush();
    counts.stop();
    const { rows } = await system.pool.query(
      'SELECT topic, dropped::int FROM sekali.broker_duplicate ORDER BY topic',
    );
    expect(rows).toEqual([
      { topic: 'a', dropped: 3 },
      { topic: 'b', dropped: 1 },
    ]);
  });

  it('are tried again while the database is away, and no more after the end', async () => {
    jest.useFakeTimers();
    const pool = createPool({
      url: 'postgres://nobody@127.0.0.1:1/none',
      name: 'test',
      connectionsMax: 1,
      transactionMsMax: 100,
    });
    await pool.end();
    const failures: unknown[] = [];
    const counts = new BrokerDuplicates(pool, { onError: (error) => failures.push(error) });
    counts.add('a');
    await jest.advanceTimersByTimeAsync(1_000);
    expect(failures.length).toBeGreaterThan(1);
    counts.stop();
    await expect(counts.flush()).rejects.toThrow('pool');
    const atTheEnd = failures.length;
    await jest.advanceTimersByTimeAsync(10_000);
    expect(failures).toHaveLength(atTheEnd);
  });
});
