/** A database that went back in time appears in the health of a gateway, which takes events all the while. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newestStoreLoss, noteRestored, noteStoreLoss, SEKALI_LEDGER } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import { event, published, RunningGateway } from '../test/running-gateway.js';

let system: TestSystem;
let gateway: RunningGateway;
const loss = {
  ...{ firstSeq: 301, lastSeq: 500, missing: 200 },
  publishedAt: new Date('2026-11-22T10:00:00Z'),
};

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  gateway = await RunningGateway.start(system.environment);
});
afterAll(async () => {
  await system.dispose();
});

async function health(): Promise<{ ready: number; status: string; database: unknown }> {
  const { status: ready } = await gateway.get('/health/ready');
  const { status, components } = JSON.parse((await gateway.get('/health')).text) as {
    status: string;
    components: { database: unknown };
  };
  return { ready, status, database: components.database };
}

describe('a database that went back in time', () => {
  it('is degraded until it has everything again, and then the health says what happened', async () => {
    expect(await health()).toMatchObject({ status: 'ok', database: { status: 'ok' } });
    const { name, identity } = { name: system.streamName, identity: 'x' };
    const incarnation = await SEKALI_LEDGER.registry.of(system.pool, { name, identity });
    const { streamId } = incarnation;
    await noteStoreLoss(system.pool, 'store', streamId, loss);
    // Another worker notices the same.
    await noteStoreLoss(system.pool, 'store', streamId, { ...loss, firstSeq: 310 });
    expect(await health()).toEqual({
      ready: 200,
      status: 'degraded',
      database: {
        status: 'degraded',
        detail: expect.stringMatching(
          /went back in time .* to the events of 2026-11-22T10:00:00.000Z: consumer store had acknowledged at least 200 messages from sequence 301 to 500 that it lacked; they are being delivered again/,
        ),
      },
    });
    expect(published(await gateway.publish(event('1')))).toMatchObject({ accepted: 1 });
    await system.pool.query('INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, 499)', [streamId]);
    await noteRestored(system.pool, 'store', incarnation, 300);
    expect((await newestStoreLoss(system.pool))?.restoredAt).toBeUndefined();
    await system.pool.query('UPDATE sekali.horizon SET seq = 500');
    await noteRestored(system.pool, 'store', incarnation, 300);
    expect(await health()).toEqual({
      ready: 200,
      status: 'ok',
      database: { status: 'ok', detail: expect.stringContaining('it has all of them again since') },
    });
    const { rows } = await system.pool.query('SELECT FROM sekali.store_loss');
    expect(rows).toHaveLength(1);
  });

  it('has nothing to wait for of what has left the stream, or belongs to an incarnation before', async () => {
    const { registry } = SEKALI_LEDGER;
    const [old, current, other] = await Promise.all(
      ['old', 'current', 'other'].map((identity) =>
        registry.of(system.pool, { name: identity === 'other' ? 'OTHER' : 'CHANGED', identity }),
      ),
    );
    if (!old || !current || !other) throw new Error('three incarnations were registered');
    const [before, now] = [old.streamId, current.streamId].sort((a, b) => a - b) as [number, number];
    const open = async (): Promise<number> => {
      const { rows } = await system.pool.query('SELECT FROM sekali.store_loss WHERE restored_at IS NULL');
      return rows.length;
    };
    const segments = [
      { streamId: before, after: 0, upTo: 400 },
      { streamId: now, after: 400, upTo: Number.MAX_SAFE_INTEGER },
    ];
    const note = async (streamId: number): Promise<void> =>
      noteStoreLoss(system.pool, 'store', streamId, loss);
    // Up to 400 the messages of the old incarnation are still in the stream.
    await note(before);
    await noteRestored(system.pool, 'store', { streamId: now, segments }, 0);
    expect(await open()).toBe(1);
    await system.pool.query('INSERT INTO sekali.horizon (stream_id, seq) VALUES ($1, 400)', [before]);
    await noteRestored(system.pool, 'store', { streamId: now, segments }, 0);
    expect(await open()).toBe(0);
    // A stream that was created again has none of them.
    await note(before);
    await system.pool.query('UPDATE sekali.horizon SET seq = 0 WHERE stream_id = $1', [before]);
    await noteRestored(system.pool, 'store', { streamId: now, segments: segments.slice(1) }, 0);
    expect(await open()).toBe(0);
    await note(now);
    await noteRestored(system.pool, 'store', { streamId: now, segments }, loss.lastSeq - 1);
    expect(await open()).toBe(1);
    await noteRestored(system.pool, 'store', { streamId: now, segments }, loss.lastSeq);
    expect(await open()).toBe(0);
    // Another stream of this database is left alone.
    await note(other.streamId);
    await noteRestored(system.pool, 'store', { streamId: now, segments }, loss.lastSeq);
    expect(await open()).toBe(1);
  });
});
