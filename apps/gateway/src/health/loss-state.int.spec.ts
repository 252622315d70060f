/** A database that went back in time appears in the health of a gateway, which takes events all the while. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { newestStoreLoss, noteRestored, noteStoreLoss } from '#store';
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
    await noteStoreLoss(system.pool, 'store', 1, loss);
    // Another worker notices the same.
    await noteStoreLoss(system.pool, 'store', 1, { ...loss, firstSeq: 310 });
    expect(await health()).toEqual({
      ready: 200,
      status: 'degraded',
      database: {
        status: 'degraded',
        detail: expect.stringMatching(
          /went back in time .* to the events of 2026-11-22T10:00:00.000Z: consumer store had acknowledged 200 messages from sequence 301 to 500 that it lacked; they are being delivered again/,
        ),
      },
    });
    expect(published(await gateway.publish(event('1')))).toMatchObject({ accepted: 1 });
    await system.pool.query('INSERT INTO sekali.horizon (stream_id, seq) VALUES (1, 499)');
    await noteRestored(system.pool, 'store', 1);
    expect((await newestStoreLoss(system.pool))?.restoredAt).toBeUndefined();
    await system.pool.query('UPDATE sekali.horizon SET seq = 500');
    await noteRestored(system.pool, 'store', 1);
    expect(await health()).toEqual({
      ready: 200,
      status: 'ok',
      database: { status: 'ok', detail: expect.stringContaining('it has all of them again since') },
    });
    const { rows } = await system.pool.query('SELECT FROM sekali.store_loss');
    expect(rows).toHaveLength(1);
  });
});
