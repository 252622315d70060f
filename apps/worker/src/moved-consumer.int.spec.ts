/** Consuming resumes by itself when a leader moves, or a consumer or stream vanishes, while all brokers run. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { ensureConsumer, ensureStream } from '#broker';
import { createTestSystem, type TestSystem, untilSettled, waitFor } from '#testing';
import {
  type ConsumerFixture,
  ledgerOf,
  publishEvent,
  readLedger,
  startConsumer,
} from './test/consumer-fixture.js';

let system: TestSystem;
let manager: JetStreamManager;
let consumer: ConsumerFixture | undefined;
let sent = 0;
const RESUME_MS_MAX = 10_000;

beforeAll(async () => {
  system = await createTestSystem({ ackWaitMs: 4_000 });
  manager = await jetstreamManager(system.connection, { checkAPI: false });
});

afterAll(async () => {
  await system.dispose();
});

afterEach(async () => {
  await consumer?.stop();
  consumer = undefined;
});

function recreate(): Promise<void> {
  const definition = {
    name: system.consumerName,
    stream: system.streamName,
    ackWaitMs: 4_000,
    ackPendingMax: 1_000,
  };
  return ensureConsumer(system.connection, definition, () => Promise.resolve(1)).then(() => undefined);
}

async function send(count: number): Promise<void> {
  for (let n = 0; n < count; n++) {
    const id = `e${sent++}`;
    await waitFor(() => publishEvent(system, { id, messageId: `orders:${id}` }), {
      timeoutMs: 30_000,
      describe: `${id} acknowledged`,
    });
  }
}

async function storedAtLeast(count: number, timeoutMs = 30_000): Promise<void> {
  await waitFor(async () => (await readLedger(system.pool)).stored >= count, {
    timeoutMs,
    describe: `${count} events stored`,
  });
}

async function leaderOfConsumer(): Promise<string> {
  return waitFor(
    async () => (await manager.consumers.info(system.streamName, system.consumerName)).cluster?.leader,
    { timeoutMs: 30_000, describe: 'a leader of the consumer' },
  );
}

describe('a consumer', () => {
  it('continues when its leader steps down', async () => {
    consumer = await startConsumer(system.environment);
    await system.connection.request(
      `$JS.API.CONSUMER.LEADER.STEPDOWN.${system.streamName}.${system.consumerName}`,
      undefined,
      { timeout: 5_000 },
    );
    await send(20);
    await leaderOfConsumer();
    await storedAtLeast(sent, RESUME_MS_MAX);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('connects to the broker of its leader, at the start and whenever the leader moves', async () => {
    consumer = await startConsumer(system.environment);
    const isThere = async (): Promise<boolean> =>
      consumer?.connection.info?.server_name === (await leaderOfConsumer());
    await waitFor(isThere, { timeoutMs: 10_000, describe: 'the connection to reach the leader' });
    for (let round = 0; round < 2; round++) {
      const before = await leaderOfConsumer();
      await system.connection.request(
        `$JS.API.CONSUMER.LEADER.STEPDOWN.${system.streamName}.${system.consumerName}`,
        undefined,
        { timeout: 5_000 },
      );
      await waitFor(async () => (await leaderOfConsumer()) !== before, {
        timeoutMs: 10_000,
        describe: 'another leader',
      });
      await waitFor(isThere, { timeoutMs: 10_000, describe: 'the connection to reach the new leader' });
      await send(20);
      await storedAtLeast(sent, RESUME_MS_MAX);
    }
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('restarts its session when messages wait and none is delivered, although heartbeats arrive', async () => {
    await manager.consumers.pause(system.streamName, system.consumerName, new Date(Date.now() + 3_600_000));
    consumer = await startConsumer(system.environment);
    await send(1);
    await waitFor(
      () =>
        consumer?.observed.some(
          (event) => event.type === 'session-lost' && event.reason.startsWith('messages wait'),
        ),
      { timeoutMs: 20_000, describe: 'the watchdog' },
    );
    await manager.consumers.resume(system.streamName, system.consumerName);
    await storedAtLeast(sent);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('is recreated when it vanishes, and what it reads again changes nothing', async () => {
    consumer = await startConsumer(system.environment, { recreate });
    await manager.consumers.delete(system.streamName, system.consumerName);
    await send(20);
    await storedAtLeast(sent, RESUME_MS_MAX);
    await untilSettled(manager, system.streamName, system.consumerName);
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent));
  });

  it('treats a recreated stream as another one, although its sequences begin at 1 again', async () => {
    consumer = await startConsumer(system.environment, { recreate });
    await manager.streams.delete(system.streamName);
    await ensureStream(system.connection, {
      name: system.streamName,
      subjectPrefix: system.subjectPrefix,
      replicas: 3,
      bytesMax: 10_000_000,
      ageSecondsMax: 3_600,
      duplicateWindowMs: 1_000,
    });
    const stored = sent;
    expect(await publishEvent(system, { id: 'e0' })).toBe(1);
    await send(10);
    await storedAtLeast(stored + 10);
    await waitFor(async () => (await readLedger(system.pool)).duplicates === 1, {
      timeoutMs: 10_000,
      describe: 'the duplicate of the first stream',
    });
    expect(await readLedger(system.pool)).toEqual(ledgerOf(sent, 1));
    const { rows } = await system.pool.query(
      'SELECT stream_id, count(*)::int FROM sekali.event_key GROUP BY 1 ORDER BY 1',
    );
    expect(rows).toEqual([
      { stream_id: 1, count: stored },
      { stream_id: 2, count: 10 },
    ]);
  });
});
