/** A manual change behind a running gateway appears in its health at the next request. */
import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  type ConsumerConfig,
  jetstreamManager,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { createTestSystem, type TestSystem } from '#testing';
import { event, published, RunningGateway } from '../test/running-gateway.js';
import { ConsumerProgress } from './drift.js';

interface Health {
  readonly status: string | number;
  readonly components: Readonly<Record<string, { readonly status: string; readonly detail?: string }>>;
}

let system: TestSystem;
let gateway: RunningGateway;
let manager: JetStreamManager;

beforeEach(async () => {
  system = await createTestSystem();
  gateway = await RunningGateway.start(system.environment);
  manager = await jetstreamManager(system.connection, { checkAPI: false });
});

async function health(): Promise<{ ready: number; summary: Health }> {
  const { status } = await gateway.get('/health/ready');
  return { ready: status, summary: JSON.parse((await gateway.get('/health')).text) as Health };
}

describe('the health of a gateway', () => {
  it.each<[Partial<StreamConfig>, string]>([
    [{ subject_transform: { src: '>', dest: 'elsewhere.>' } }, 'subject_transform is {'],
    [{ discard: 'old' }, 'discard is "old", should be "new"'],
    [{ max_msgs_per_subject: 1 }, 'max_msgs_per_subject is 1, should be -1'],
    [{ sealed: true }, 'sealed is true, should be false'],
    [{ subjects: ['nothing-of-ours'] }, 'subjects is ["nothing-of-ours"]'],
  ])('is not ready over a stream with %j', async (change, text) => {
    await manager.streams.update(system.streamName, change);
    const { ready, summary } = await health();
    expect([ready, summary.status, summary.components.stream?.status]).toEqual([503, 'degraded', 'failed']);
    expect(summary.components.stream?.detail).toContain(text);
  });

  it('is not ready over a consumer that delivers headers only', async () => {
    await manager.consumers.update(system.streamName, system.consumerName, { headers_only: true });
    const { ready, summary } = await health();
    expect([ready, summary.components.consumer?.status]).toEqual([503, 'failed']);
  });

  it.each<[Partial<ConsumerConfig>, string]>([
    [{ filter_subject: 'a.b' }, 'filter_subject is "a.b", should be not set'],
    [{ max_deliver: 1 }, 'max_deliver is 1, should be -1'],
  ])('is degraded, and takes events, over a consumer with %j', async (change, text) => {
    await manager.consumers.update(system.streamName, system.consumerName, change);
    const { ready, summary } = await health();
    expect([ready, summary.status, summary.components.consumer?.status]).toEqual([
      200,
      'degraded',
      'degraded',
    ]);
    expect(summary.components.consumer?.detail).toContain(text);
    expect(published(await gateway.publish(event('1')))).toMatchObject({ accepted: 1 });
  });

  it('is degraded while the consumer is paused, and well again after that', async () => {
    const { consumers } = manager;
    await consumers.pause(system.streamName, system.consumerName, new Date(Date.now() + 3_600_000));
    expect((await health()).summary.components.consumer?.detail).toContain('pause_until');
    await consumers.resume(system.streamName, system.consumerName);
    expect((await health()).summary).toMatchObject({ status: 'ok' });
  });

  it('names fields without their values where anyone may ask', async () => {
    const open = { SEKALI_HTTP_HOST: '0.0.0.0', SEKALI_HTTP_OPEN_TO_EVERYONE_I_KNOW_WHAT_THIS_MEANS: 'true' };
    gateway = await RunningGateway.start({ ...system.environment, ...open });
    await manager.consumers.update(system.streamName, system.consumerName, { filter_subject: 'a.secret' });
    const { components } = (await health()).summary;
    expect(components.consumer?.detail).toBe('it differs from its definition: filter_subject; run setup');
  });
});

describe('a consumer that stands still', () => {
  const info = (floor: number, unsettled: number, undelivered = 0, delivered = floor + unsettled) => ({
    ack_floor: { stream_seq: floor, consumer_seq: floor, last_active: 0 },
    delivered: { stream_seq: delivered, consumer_seq: delivered, last_active: 0 },
    num_ack_pending: unsettled,
    num_pending: undelivered,
  });

  it('is noticed after a while, and no more once something is settled', () => {
    const progress = new ConsumerProgress();
    const at = (nowMs: number, shown: ReturnType<typeof info>): string | undefined =>
      progress.stateOf(shown, nowMs)?.detail;
    expect([at(0, info(5, 2)), at(14_000, info(5, 2))]).toEqual([undefined, undefined]);
    expect(at(16_000, info(5, 2, 3))).toContain('nothing was settled for 16 s, and 5 messages wait');
    expect([at(17_000, info(6, 1)), at(31_000, info(6, 1))]).toEqual([undefined, undefined]);
    expect(at(33_000, info(6, 1))).toContain('nothing was settled for 16 s');
  });

  it('is not mistaken for one that has nothing to do', () => {
    const progress = new ConsumerProgress();
    for (const nowMs of [0, 60_000, 120_000]) expect(progress.stateOf(info(5, 0), nowMs)).toBeUndefined();
    expect(progress.stateOf(info(5, 1), 180_000)).toBeUndefined();
    expect(progress.stateOf(info(5, 1), 181_000)).toBeUndefined();
  });

  it('is distinguished from one whose messages are stranded', () => {
    const progress = new ConsumerProgress();
    expect(progress.stateOf(info(5, 0, 0, 7), 0)).toBeUndefined();
    expect(progress.stateOf(info(5, 0, 0, 7), 20_000)?.detail).toContain('sekali rewind');
  });
});
