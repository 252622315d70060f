/**
 * Counts of duplicates that the brokers dropped are written as totals. An outage delays them, and `stop` ends the
 * writing.
 */
import { afterEach, describe, expect, it, jest } from '@jest/globals';
import { createPool } from '#postgres';
import { createTestSystem } from '#testing';
import { BrokerDuplicates } from './broker-duplicates.js';

afterEach(() => {
  jest.useRealTimers();
});

describe('duplicates that a gateway counts', () => {
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

  it('are written again while the database does not answer, and not after stop', async () => {
    jest.useFakeTimers();
    const pool = createPool({
      url: 'postgres://user@127.0.0.1:1/none',
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
