/** What the gateway reports of a stream that is missing, or has another history than the database. */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, type ConsumerInfo, type StreamInfo } from '@nats-io/jetstream';
import { streamIdentity } from '#broker';
import { SEKALI_LEDGER } from '#store';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { event, RunningGateway } from '../test/running-gateway.js';
import { positionFault } from './history-check.js';

interface Part {
  readonly status: string;
  readonly detail?: string;
}

async function health(gateway: RunningGateway): Promise<Readonly<Record<'stream' | 'consumer', Part>>> {
  const { components } = JSON.parse((await gateway.get('/health')).text) as {
    components: Record<'stream' | 'consumer', Part>;
  };
  return components;
}

/** A stream of three messages, the last of which has another publishing time in the database. */
async function anotherHistory(system: TestSystem): Promise<{ readonly identity: string }> {
  const client = jetstream(system.connection);
  for (let n = 0; n < 3; n++) await client.publish(`${system.subjectPrefix}.orders`, '{}');
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const identity = streamIdentity(await manager.streams.info(system.streamName));
  const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity });
  await system.pool.query(
    `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
     VALUES ($1, 3, 'orders', 's', 'not_json', 'because', '', 1, '2026-11-22T10:00:00Z')`,
    [streamId],
  );
  return { identity };
}

describe('a gateway whose stream does not exist', () => {
  it('is not ready and publishes nothing, although another stream takes its subjects', async () => {
    const system = await createTestSystem();
    const gateway = await RunningGateway.start({ ...system.environment, SEKALI_STREAM: 'MISSING' }, false);
    await waitFor(async () => (await health(gateway)).stream.detail?.includes('run setup'), {
      timeoutMs: 20_000,
      describe: 'the gateway to miss its stream',
    });
    expect((await gateway.get('/health/ready')).status).toBe(503);
    expect((await gateway.publish(event('1'))).status).toBe(503);
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    expect((await manager.streams.info(system.streamName)).state.messages).toBe(0);
  });
});

describe('a stream with another history than the database', () => {
  it('is said to have one, until it is registered as another incarnation; then where that begins', async () => {
    const system = await createTestSystem();
    const { identity } = await anotherHistory(system);
    const gateway = await RunningGateway.start(system.environment, false);
    const stream = await waitFor(
      async () => {
        const part = (await health(gateway)).stream;
        return part.detail?.includes('another message') && part;
      },
      { timeoutMs: 20_000, describe: 'the other history to be seen' },
    );
    expect(stream).toMatchObject({
      status: 'failed',
      detail: expect.stringContaining('another message under sequence 3 than the database'),
    });
    // A mere notice does not hide what makes the gateway not ready.
    const { streams } = await jetstreamManager(system.connection, { checkAPI: false });
    await streams.update(system.streamName, { allow_direct: false });
    expect((await health(gateway)).stream.detail).toContain('another message');
    await streams.update(system.streamName, { allow_direct: true });
    await system.pool.query(
      `INSERT INTO sekali.stream (name, created, revision, base_stream_id, base_seq) VALUES ($1, $2, 2, 1, 2)`,
      [system.streamName, identity],
    );
    const registered = await waitFor(
      async () => {
        const part = (await health(gateway)).stream;
        return part.status === 'ok' && part;
      },
      { timeoutMs: 20_000, describe: 'the registered incarnation to be seen' },
    );
    expect(registered.detail).toContain('behind sequence 2');
  });
});

describe('the position of a consumer', () => {
  const stream = { state: { last_seq: 7 } } as StreamInfo;
  const at = (delivered: number, acknowledged: number): ConsumerInfo =>
    ({ delivered: { stream_seq: delivered }, ack_floor: { stream_seq: acknowledged } }) as ConsumerInfo;

  it.each([
    [at(7, 7), /^no fault$/],
    [at(10, 3), /at sequence 10, ahead of the stream, which ends at 7/],
    [at(0, 9), /at sequence 9/],
  ])('%# is judged by the end of the stream', (consumer, expected) => {
    expect(positionFault(consumer, stream) ?? 'no fault').toMatch(expected);
  });
});
