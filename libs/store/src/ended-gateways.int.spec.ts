/**
 * Adding up what ended gateways counted, on a real Postgres: sums stay exact while gateways write, end, lose answers and
 * add up at the same time.
 */
import { describe, expect, it } from '@jest/globals';
import type { Queryable } from '#postgres';
import { createTestSystem, type TestSystem } from '#testing';
import { BrokerDuplicates } from './broker-duplicates.js';
import { addUpEndedGateways } from './ended-gateways.js';

const DAY_MS = 86_400_000;
const TOPICS = ['a', 'b', 'c', 'd'];

/** Whether the answers of the database are lost after it has done the work. */
interface Fault {
  isLost: boolean;
}

function faulty(pool: TestSystem['pool'], fault: Fault): Queryable {
  return {
    query: async (text: string, values: unknown[]) => {
      const answer = await pool.query(text, values);
      if (fault.isLost) throw new Error('the answer was lost');
      return answer;
    },
  };
}

async function rowsOf({ pool }: TestSystem): Promise<{ gateway: string; topic: string; dropped: number }[]> {
  const { rows } = await pool.query<{ gateway: string; topic: string; dropped: number }>(
    'SELECT gateway, topic, dropped::int FROM sekali.broker_duplicate ORDER BY gateway, topic',
  );
  return rows;
}

async function sums(system: TestSystem): Promise<Record<string, number>> {
  const totals: Record<string, number> = {};
  for (const { topic, dropped } of await rowsOf(system)) totals[topic] = (totals[topic] ?? 0) + dropped;
  return totals;
}

/** Has all rows of these gateways be as old as those of one that ended eight days ago. */
async function age({ pool }: TestSystem, gateways: readonly string[]): Promise<void> {
  await pool.query(
    `UPDATE sekali.broker_duplicate SET written_at = now() - interval '8 days' WHERE gateway = ANY ($1)`,
    [gateways],
  );
}

describe('the rows of gateways that have ended', () => {
  it('become one row for each topic, and others stay', async () => {
    const system = await createTestSystem();
    const counters = Array.from({ length: 12 }, () => new BrokerDuplicates(system.pool));
    for (const counter of counters) {
      for (const topic of TOPICS) counter.add(topic, 2);
      await counter.flush();
    }
    const before = await sums(system);
    expect(await addUpEndedGateways(system.pool)).toBe(0);
    const gateways = counters.map((counter) => counter.own().gateway);
    await age(system, gateways.slice(1));
    expect(await addUpEndedGateways(system.pool)).toBe(11);
    expect(await addUpEndedGateways(system.pool)).toBe(0);
    const rows = await rowsOf(system);
    expect(rows).toHaveLength(2 * TOPICS.length);
    expect(rows.filter(({ gateway }) => gateway === gateways[0])).toHaveLength(TOPICS.length);
    expect(await sums(system)).toEqual(before);
  });

  it('of the version before have no time, and stay', async () => {
    const system = await createTestSystem();
    await system.pool.query(
      `INSERT INTO sekali.broker_duplicate (gateway, topic, dropped) VALUES (gen_random_uuid(), 'a', 3)`,
    );
    expect(await addUpEndedGateways(system.pool)).toBe(0);
    expect(await sums(system)).toEqual({ a: 3 });
  });

  it('keep every sum exact while gateways write, pause for days, lose answers, and add up at once', async () => {
    const system = await createTestSystem();
    const expected: Record<string, number> = {};
    const clock = { nowMs: Date.now() };
    const gateways = Array.from({ length: 6 }, () => {
      const fault: Fault = { isLost: false };
      const counts = new BrokerDuplicates(faulty(system.pool, fault), {
        nowMs: () => clock.nowMs,
        writeEveryMs: 1_000_000,
      });
      return { fault, counts };
    });
    for (let round = 0; round < 40; round++) {
      for (const [index, { counts, fault }] of gateways.entries()) {
        const topic = TOPICS[(round + index) % TOPICS.length] ?? '';
        counts.add(topic, 1 + (round % 3));
        expected[topic] = (expected[topic] ?? 0) + 1 + (round % 3);
        fault.isLost = (round * 7 + index) % 5 === 0;
      }
      const flushes = gateways.map(({ counts }) => counts.flush().catch(() => undefined));
      await Promise.all([...flushes, addUpEndedGateways(system.pool), addUpEndedGateways(system.pool)]);
      for (const { fault } of gateways) fault.isLost = false;
      if (round % 4 !== 3) continue;
      // Two days later, those that wrote everything have another id, so the rows of the old one may go.
      const own = new Map(gateways.map(({ counts }) => [counts, counts.own().gateway]));
      clock.nowMs += 2 * DAY_MS;
      const left = gateways.flatMap(({ counts }) => {
        const old = own.get(counts) ?? '';
        return counts.own().gateway === old ? [] : [old];
      });
      expect(left.length).toBeGreaterThan(0);
      await age(system, left);
    }
    await Promise.all(gateways.map(({ counts }) => counts.flush()));
    expect(await sums(system)).toEqual(expected);
    await addUpEndedGateways(system.pool);
    expect(await sums(system)).toEqual(expected);
    for (const { counts } of gateways) counts.stop();
  });

  it('are not counted twice by a gateway that was away until they were added up', async () => {
    const system = await createTestSystem();
    const clock = { nowMs: Date.now() };
    const counts = new BrokerDuplicates(system.pool, { nowMs: () => clock.nowMs });
    counts.add('a', 5);
    await counts.flush();
    await age(system, [counts.own().gateway]);
    counts.add('a', 1);
    clock.nowMs += 9 * DAY_MS;
    await addUpEndedGateways(system.pool);
    await counts.flush();
    expect(await sums(system)).toEqual({ a: 6 });
    expect([...counts.own().totals]).toEqual([['a', 1]]);
    counts.stop();
  });
});
