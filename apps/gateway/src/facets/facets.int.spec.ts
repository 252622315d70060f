/** Frequent values: exact where the sample is all events, and with a rate that is true where it is not. */
import { describe, expect, it } from '@jest/globals';
import { readFacets, SEKALI_LEDGER, type Facets } from '#store';
import { createTestSystem } from '#testing';
import { problemOf, RunningGateway } from '../test/running-gateway.js';

const INSERT = `
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 't' || seq % 2, 'e' || seq, 's', now(),
  jsonb_build_object('status', CASE WHEN seq % 10 = 0 THEN 500 ELSE 200 END, 'user', jsonb_build_object('name', 'u' || seq % 3)), now()
FROM generate_series($2::int, $3::int) AS seq`;

const COUNT = `
INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
VALUES ($1, 't0', 0, $2, 0, 0, 0, 0)`;

interface FacetsView {
  readonly sample_rate: number;
  readonly matched: number;
  readonly present: number;
  readonly values: readonly { readonly value: unknown; readonly count: number }[];
}

describe('GET /facets', () => {
  it('counts all events of a small table, and a part of a large one whose rate it says, which tells nothing of other topics', async () => {
    const system = await createTestSystem({ replicas: 1 });
    const key = { name: system.streamName, identity: 'first' };
    const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, key);
    await system.pool.query(INSERT, [streamId, 1, 1_000]);
    const gateway = await RunningGateway.start(system.environment);
    const read = async (query: string): Promise<FacetsView> => {
      const answer = await gateway.get(`/facets?${query}`);
      if (answer.status !== 200) throw new Error(answer.text);
      return JSON.parse(answer.text) as FacetsView;
    };
    expect(await read('field=payload.status')).toEqual({
      field: 'payload.status',
      ...{ sample_rate: 1, matched: 1_000, present: 1_000 },
      values: [
        { value: 200, count: 900 },
        { value: 500, count: 100 },
      ],
    });
    expect(await read('field=payload.user.name&topic=t1&where=payload.status:200&limit=1')).toMatchObject({
      matched: 500,
      values: [{ count: 167 }],
    });
    expect(await read('field=payload.none')).toMatchObject({ present: 0, values: [] });
    await system.pool.query(INSERT, [streamId, 1_001, 200_000]);
    await system.pool.query('ANALYZE sekali.event');
    const { sample_rate: rate, matched, values } = await read('field=payload.status');
    expect(rate).toBeLessThan(0.2);
    expect(matched / (200_000 * rate)).toBeGreaterThan(0.5);
    expect(matched / (200_000 * rate)).toBeLessThan(2);
    const [often, seldom] = values;
    expect([often?.value, seldom?.value]).toEqual([200, 500]);
    await system.pool.query(COUNT, [streamId, 100_000]);
    const ofTopic = (topic: string, bytesMax?: number): Promise<Facets> =>
      readFacets(system.pool, { filter: { topics: [topic] }, path: ['status'], valuesMax: 10, bytesMax });
    const covered = await ofTopic('t0');
    expect(covered).toMatchObject({
      matched: 20_000,
      present: 20_000,
      values: [{ count: 16_000 }, { count: 4_000 }],
    });
    expect(covered.rate).toBeCloseTo(0.2, 4);
    // What other topics have changes nothing.
    await system.pool.query(INSERT, [streamId, 200_001, 200_100]);
    await system.pool.query(`DELETE FROM sekali.event WHERE topic = 't1'`);
    await system.pool.query('ANALYZE sekali.event');
    expect((await ofTopic('t0')).rate).toBe(covered.rate);
    // Payloads of a hundred bytes, more or less.
    const { matched: few, rate: smallRate } = await ofTopic('t0', 100_000);
    expect(few).toBeGreaterThan(500);
    expect(few).toBeLessThan(3_000);
    expect(smallRate).toBeCloseTo(few / 100_000, 4);
    await system.pool.query(`DELETE FROM sekali.event WHERE seq <= 190_000`);
    expect(await ofTopic('t0')).toMatchObject({ rate: 1, matched: 5_050 });
    expect(await ofTopic('none')).toEqual({ rate: 1, matched: 0, present: 0, values: [] });
    for (const field of ['status', 'payload', 'payload..a', ''])
      expect(problemOf(await gateway.get(`/facets?field=${field}`))).toMatchObject({ parameter: 'field' });
  });
});
