import { describe, expect, it } from '@jest/globals';
import type { Checked } from './publish-request.js';
import { TopicBounds } from './topic-bounds.js';

const LIMITS = { topicsMax: 5, addedByKeyMax: 2 };

function events(...topics: string[]): Checked[] {
  return topics.map((topic, index) => ({ valid: true, topic, eventId: String(index), body: '{}' }));
}

async function taken(
  bounds: TopicBounds,
  keyId: string | undefined,
  ...topics: string[]
): Promise<boolean[]> {
  return (await bounds.enforce(events(...topics), keyId)).map(({ valid }) => valid);
}

describe('the bounds of topics', () => {
  it('let new topics in up to the bound for all, and known ones always', async () => {
    const bounds = new TopicBounds(LIMITS, async () => Promise.resolve(['a', 'b', 'c']));
    expect(await taken(bounds, undefined, 'd', 'e', 'f', 'a', 'e')).toEqual([true, true, false, true, true]);
    const [refused] = await bounds.enforce(events('g'), undefined);
    expect(refused).toMatchObject({ valid: false, topic: 'g', eventId: '0' });
    expect(JSON.stringify(refused)).toContain('SEKALI_TOPICS_MAX');
    expect(await taken(bounds, undefined, 'd')).toEqual([true]);
  });

  it('let each key add as many as are allowed, and use what others added', async () => {
    const bounds = new TopicBounds(LIMITS, async () => Promise.resolve([]));
    expect(await taken(bounds, 'one', 'a', 'b', 'c')).toEqual([true, true, false]);
    expect(await taken(bounds, 'two', 'a', 'c', 'd', 'b')).toEqual([true, true, true, true]);
    expect(await taken(bounds, 'one', 'c', 'd', 'e')).toEqual([true, true, false]);
    expect(JSON.stringify(await bounds.enforce(events('e'), 'one'))).toContain('SEKALI_TOPICS_PER_KEY_MAX');
  });

  it('hold without the database, which is asked again later', async () => {
    let asked = 0;
    const bounds = new TopicBounds(LIMITS, async () => {
      asked += 1;
      return asked === 1 ? Promise.reject(new Error('no answer')) : Promise.resolve(['w', 'x', 'y', 'z']);
    });
    expect(await taken(bounds, undefined, 'a')).toEqual([true]);
    expect(await taken(bounds, undefined, 'a', 'a')).toEqual([true, true]);
    expect(asked).toBe(1);
    expect(await taken(bounds, undefined, 'b', 'x')).toEqual([false, true]);
    expect(asked).toBe(2);
  });
});
