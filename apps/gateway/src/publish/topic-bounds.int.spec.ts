/** Topics beyond the bounds, from the view of a producer over HTTP. */
import { describe, expect, it } from '@jest/globals';
import { createTestSystem } from '#testing';
import { event, problemOf, published, RunningGateway } from '../test/running-gateway.js';

describe('a publish to one topic too many', () => {
  it('is refused and says what to do, while known topics and the other events pass', async () => {
    const system = await createTestSystem();
    // Only the database knows this topic, from before this gateway.
    await system.pool.query(
      `WITH stream AS (INSERT INTO sekali.stream (name, created) VALUES ('S', 'first') RETURNING stream_id)
       INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
       SELECT stream_id, 'stored', 0, 1, 0, 0, 0, 0 FROM stream`,
    );
    const gateway = await RunningGateway.start({ ...system.environment, SEKALI_TOPICS_MAX: '3' });
    const to = (...topics: string[]): unknown => topics.map((topic, n) => event(`${topic}-${n}`, { topic }));
    expect((await gateway.publish(to('a', 'b', 'a', 'stored'))).status).toBe(202);
    const refused = problemOf(await gateway.publish(to('a', 'c')));
    expect(refused).toMatchObject({ status: 422, accepted: 0, rejected: [{ index: 1, topic: 'c' }] });
    expect(JSON.stringify(refused)).toContain('SEKALI_TOPICS_MAX');
    const lenient = await gateway.publish(to('b', 'c', 'd'), { prefer: 'handling=lenient' });
    expect([lenient.status, published(lenient).accepted]).toEqual([202, 1]);
    expect((await gateway.publish(to('stored'))).status).toBe(202);
  });
});
