/** Beyond the bound on topics, an event of a new topic is a dead letter, from a direct producer too. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestSystem, type TestSystem } from '#testing';
import {
  type ConsumerFixture,
  ledgerBecomes,
  ledgerOf,
  nothingUnsettled,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestSystem;
let consumers: ConsumerFixture[] = [];

beforeEach(async () => {
  system = await createTestSystem();
});

afterEach(async () => {
  await Promise.all(consumers.map((consumer) => consumer.stop()));
  consumers = [];
  await system.dispose();
});

async function start(topicsMax: number): Promise<void> {
  const settings = { SEKALI_STORED_TOPICS_MAX: String(topicsMax) };
  consumers.push(
    await startConsumer({ ...system.environment, ...settings }, { settings: { batchWaitMs: 50 } }),
  );
}

async function publishTo(...topics: readonly string[]): Promise<void> {
  for (const [n, topic] of topics.entries()) await publishEvent(system, { topic, id: `${topic}-${n}` });
}

async function countedTopics(): Promise<string[]> {
  const { rows } = await system.pool.query<{ topic: string }>(
    'SELECT DISTINCT topic FROM sekali.counter ORDER BY topic',
  );
  return rows.map(({ topic }) => topic);
}

describe('topics beyond the bound', () => {
  it('become dead letters with the setting to raise, and those that are there go on', async () => {
    await publishTo('a', 'b', 'c', 'd', 'a', 'd', 'c');
    await publishEvent(system, { topic: 'e', id: 'invalid', payload: '[]' });
    await start(3);
    await ledgerBecomes(system, ledgerOf(5, 0, 0, 3));
    const { rows } = await system.pool.query(
      'SELECT topic, event_id, reason, detail FROM sekali.dead_letter ORDER BY seq',
    );
    const letter = {
      topic: '(too-many)',
      reason: 'too_many_topics',
      detail: expect.stringContaining('SEKALI_STORED_TOPICS_MAX'),
    };
    expect(rows).toEqual([
      { ...letter, event_id: 'd-3' },
      { ...letter, event_id: 'd-5' },
      { ...letter, event_id: 'invalid' },
    ]);
    expect(await countedTopics()).toEqual(['(too-many)', 'a', 'b', 'c']);
    await nothingUnsettled(system);
  });

  it('are not those that another worker has added meanwhile', async () => {
    await start(2);
    await publishTo('a');
    await ledgerBecomes(system, ledgerOf(1));
    // As another worker counts.
    await system.pool.query(
      `INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
       SELECT stream_id, 'b', 0, 0, 0, 0, 0, 0 FROM sekali.stream`,
    );
    await publishTo('c', 'b', 'c', 'b');
    await ledgerBecomes(system, ledgerOf(3, 0, 0, 2));
    expect(await countedTopics()).toEqual(['(too-many)', 'a', 'b']);
  });

  it('are counted exactly where several workers meet them at the same time', async () => {
    await Promise.all([start(10), start(10)]);
    const topics = Array.from({ length: 60 }, (_, n) => `t${n}`);
    await Promise.all([publishTo(...topics), publishTo(...topics.toReversed())]);
    await nothingUnsettled(system);
    const { stored, events, duplicates, conflicts, deadLetters, counted } = await readLedger(system.pool);
    expect({ stored, duplicates, conflicts, deadLetters }).toEqual(counted);
    expect([events, stored + deadLetters]).toEqual([stored, 120]);
    const known = (await countedTopics()).filter((topic) => topic !== '(too-many)');
    expect(known.length).toBeGreaterThanOrEqual(10);
    // Each worker has two batches in flight, and each of these may fill the bound by itself.
    expect(known.length).toBeLessThanOrEqual(40);
    const { rows } = await system.pool.query<{ topic: string }>(
      'SELECT DISTINCT topic FROM sekali.event_key',
    );
    expect(rows.map(({ topic }) => topic).sort()).toEqual(known.sort());
  });
});
