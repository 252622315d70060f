/** A repeat is answered `duplicate` only when the event is in the stream or the store. */
import { expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { createTestSystem, waitFor } from '#testing';
import { event, published, RunningGateway } from '../test/running-gateway.js';

/** The time is longer than a gateway's snapshot of the stream is valid. */
async function aMoment(): Promise<void> {
  const sinceMs = performance.now();
  await waitFor(() => performance.now() - sinceMs > 150, { timeoutMs: 10_000, describe: 'a moment' });
}

it('publishes again what was given up, then what was purged, and calls what was stored a duplicate', async () => {
  const system = await createTestSystem();
  const gateway = await RunningGateway.start(system.environment);
  const { streams } = await jetstreamManager(system.connection, { checkAPI: false });
  const send = async (): Promise<unknown> => {
    await aMoment();
    const { status, seq } = published(await gateway.publish(event('1'))).results[0] ?? {};
    return [status, seq];
  };
  expect(await send()).toEqual(['accepted', 1]);
  expect(await send()).toEqual(['duplicate', 1]);

  const { rows } = await system.pool.query<{ stream_id: number }>(
    `INSERT INTO sekali.stream (name, created) VALUES ($1, 'now') RETURNING stream_id`,
    [system.streamName],
  );
  await system.pool.query(
    `INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at)
     VALUES ($1, 1, 'orders.created', '1', 'x', 'effect_failed', '', '', 1, now())`,
    [rows[0]?.stream_id],
  );
  expect(await send()).toEqual(['accepted', 2]);
  expect(await send()).toEqual(['duplicate', 2]);

  await streams.purge(system.streamName);
  expect(await send()).toEqual(['accepted', 3]);
  expect(await send()).toEqual(['duplicate', 3]);

  await system.pool.query(
    `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('orders.created', '1', $1, 3, 0)`,
    [rows[0]?.stream_id],
  );
  await streams.purge(system.streamName);
  expect((await send()) as unknown[]).toContain('duplicate');
  await gateway.gateway.stop();
});
