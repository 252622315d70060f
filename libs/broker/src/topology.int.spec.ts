/** Setup corrects and reports manual changes where that loses nothing. Otherwise it refuses them with both values. */
import { describe, expect, it } from '@jest/globals';
import {
  AckPolicy,
  type ConsumerConfig,
  jetstream,
  jetstreamManager,
  type JetStreamManager,
  type StreamConfig,
} from '@nats-io/jetstream';
import { nanos } from '@nats-io/nats-core';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { DefinitionError, type Difference } from './definition-differences.js';
import { ensureConsumer, ensureStream, forgetConsumer, type StreamDefinition } from './topology.js';

const SIZES = {
  replicas: 3,
  bytesMax: 64 * 1024 * 1024,
  ageSecondsMax: 3_600,
  duplicateWindowMs: 120_000,
};
const BOUNDS = { ackWaitMs: 15_000, ackPendingMax: 50_000 };

async function managerOf(system: TestSystem): Promise<JetStreamManager> {
  return jetstreamManager(system.connection, { checkAPI: false });
}

/** Runs both halves of setup. @returns the fields that were said to differ */
async function setup(system: TestSystem, changes: Partial<StreamDefinition> = {}): Promise<string[]> {
  const said: Difference[] = [];
  const onDifferences = (_: string, differences: readonly Difference[]): void =>
    void said.push(...differences);
  const { streamName: name, subjectPrefix, consumerName } = system;
  await ensureStream(
    system.connection,
    { ...SIZES, name, subjectPrefix, consumers: [consumerName], ...changes },
    { onDifferences },
  );
  await ensureConsumer(
    system.connection,
    { ...BOUNDS, name: consumerName, stream: name },
    () => Promise.resolve(1),
    onDifferences,
  );
  return said.map(({ field }) => field);
}

async function send(system: TestSystem, count: number): Promise<void> {
  for (let n = 0; n < count; n++)
    await jetstream(system.connection).publish(`${system.subjectPrefix}.a`, `{"n":${n}}`);
}

async function configs(system: TestSystem): Promise<{ stream: StreamConfig; consumer: ConsumerConfig }> {
  const manager = await managerOf(system);
  const stream = await manager.streams.info(system.streamName);
  const consumer = await manager.consumers.info(system.streamName, system.consumerName);
  return { stream: stream.config, consumer: consumer.config };
}

/** Counts what is sent to the brokers to change something. */
async function changesDuring(system: TestSystem, action: () => Promise<unknown>): Promise<number> {
  let count = 0;
  const counted = (): void => {
    count += 1;
  };
  const subscriptions = ['STREAM.UPDATE', 'STREAM.CREATE', 'CONSUMER.CREATE', 'CONSUMER.DURABLE.CREATE'].map(
    (name) => system.connection.subscribe(`$JS.API.${name}.${system.streamName}.>`, { callback: counted }),
  );
  subscriptions.push(
    system.connection.subscribe(`$JS.API.STREAM.UPDATE.${system.streamName}`, {
      callback: counted,
    }),
  );
  await system.connection.flush();
  await action();
  await system.connection.flush();
  for (const subscription of subscriptions) subscription.unsubscribe();
  return count;
}

/** Changes of a stream that setup puts right. */
const streamChanges: readonly Partial<StreamConfig>[] = [
  { discard: 'old' },
  { max_msgs: 5 },
  { max_msgs_per_subject: 5 },
  { max_msgs_per_subject: 5, discard_new_per_subject: true },
  { max_msg_size: 1_000 },
  { max_bytes: 1_000_000 },
  { max_age: nanos(60_000), duplicate_window: nanos(60_000) },
  { duplicate_window: nanos(1_000) },
  { num_replicas: 1 },
  { no_ack: true },
  { allow_direct: false },
  { allow_atomic: false },
  { allow_rollup_hdrs: true },
  { subject_transform: { src: '>', dest: 'elsewhere.>' } },
  { republish: { src: '>', dest: 'copies.>' } },
  { subjects: ['nothing-of-ours.>'] },
];

/** Changes of a consumer that setup puts right. */
const consumerChanges: readonly Partial<ConsumerConfig>[] = [
  { filter_subject: 'PREFIX.a' },
  { filter_subjects: ['PREFIX.a', 'PREFIX.b'] },
  { max_deliver: 1 },
  { headers_only: true },
  { ack_wait: nanos(1_000) },
  { max_ack_pending: 10 },
  { inactive_threshold: nanos(3_600_000) },
  { max_deliver: 3, backoff: [nanos(1_000), nanos(2_000)] },
  { max_batch: 1 },
  { max_bytes: 1_000 },
  { max_expires: nanos(1_000) },
  { num_replicas: 1 },
];

describe('a stream that was changed by hand', () => {
  it.each(streamChanges)('is put right: %j', async (change) => {
    const system = await createTestSystem();
    const before = await configs(system);
    // Messages that are in the stream when its limits are lifted stay.
    await send(system, 3);
    const manager = await managerOf(system);
    await manager.streams.update(system.streamName, change);
    expect((await setup(system)).sort()).toEqual(Object.keys(change).sort());
    expect(await configs(system)).toEqual(before);
    expect((await manager.streams.info(system.streamName)).state.messages).toBe(3);
  });

  it.each([
    { change: { sealed: true }, text: 'sealed is true, should be false' },
    { change: { allow_msg_ttl: true }, text: 'allow_msg_ttl is true, should be false' },
  ])('is refused with both values where that cannot be undone: $text', async ({ change, text }) => {
    const system = await createTestSystem();
    await (await managerOf(system)).streams.update(system.streamName, change);
    const refused = setup(system);
    await expect(refused).rejects.toBeInstanceOf(DefinitionError);
    await expect(refused).rejects.toThrow(text);
  });

  it('is refused where it has limits for consumers, which can be lifted without one', async () => {
    const system = await createTestSystem();
    const change = { consumer_limits: { inactive_threshold: nanos(3_600_000), max_ack_pending: 60_000 } };
    await (await managerOf(system)).streams.update(system.streamName, change);
    await expect(setup(system)).rejects.toThrow(
      /consumer_limits is \{.*\}, should be not set.*sekali rewind/,
    );
    await forgetConsumer(system.connection, { name: system.consumerName, stream: system.streamName });
    expect(await setup(system)).toEqual(['consumer_limits']);
  });

  it('is refused where it was made in memory, or as a work queue', async () => {
    const system = await createTestSystem();
    const manager = await managerOf(system);
    await manager.streams.delete(system.streamName);
    const subjects = [`${system.subjectPrefix}.>`];
    await manager.streams.add({
      name: system.streamName,
      subjects,
      storage: 'memory',
      retention: 'workqueue',
    });
    await expect(setup(system)).rejects.toThrow(
      /retention is "workqueue", should be "limits"; storage is "memory", should be "file"/,
    );
    await manager.streams.delete(system.streamName);
  });

  it('is refused where its age would remove what no worker has settled, and taken when all is', async () => {
    const system = await createTestSystem();
    await send(system, 3);
    const manager = await managerOf(system);
    const isOlder = async (): Promise<boolean> => {
      const { first_ts } = (await manager.streams.info(system.streamName)).state;
      return Date.now() - Date.parse(first_ts) > 1_200;
    };
    await waitFor(isOlder, { timeoutMs: 10_000, describe: 'the messages to be older than a second' });
    const shorter = { ageSecondsMax: 1, duplicateWindowMs: 1_000 };
    await expect(setup(system, shorter)).rejects.toThrow(/max_age is \d+, should be 1000000000 \(it would/);
    expect((await manager.streams.info(system.streamName)).state.messages).toBe(3);
    const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
    for (let n = 0; n < 3; n++) (await consumer.next({ expires: 5_000 }))?.ack();
    await waitFor(async () => (await consumer.info()).num_ack_pending === 0, {
      timeoutMs: 10_000,
      describe: 'all to be settled',
    });
    expect((await setup(system, shorter)).sort()).toEqual(['duplicate_window', 'max_age']);
  });
});

describe('a consumer that was changed by hand', () => {
  it.each(consumerChanges)('is put right: %j', async (change) => {
    const system = await createTestSystem();
    const before = await configs(system);
    const own = JSON.parse(JSON.stringify(change).replaceAll('PREFIX', system.subjectPrefix)) as object;
    await (await managerOf(system)).consumers.update(system.streamName, system.consumerName, own);
    const said = await setup(system);
    // The first pause of a backoff is the ack wait.
    expect(said.filter((field) => field !== 'ack_wait' || 'ack_wait' in change).sort()).toEqual(
      Object.keys(change).sort(),
    );
    const after = await configs(system);
    expect(after.stream).toEqual(before.stream);
    expect(after.consumer).toEqual(before.consumer);
  });

  it.each([
    { change: { ack_policy: AckPolicy.All }, text: 'ack_policy is "all", should be "explicit"' },
    { change: { replay_policy: 'original' }, text: 'replay_policy is "original", should be "instant"' },
    { change: { max_waiting: 1 }, text: 'max_waiting is 1, should be 512' },
    { change: { deliver_policy: 'new' }, text: 'deliver_policy is "new", should be "all"' },
  ] as const)('is refused with both values where that cannot be undone: $text', async ({ change, text }) => {
    const system = await createTestSystem();
    const { consumers } = await managerOf(system);
    const { consumer } = await configs(system);
    await consumers.delete(system.streamName, system.consumerName);
    await consumers.add(system.streamName, { ...consumer, ...change });
    await expect(setup(system)).rejects.toThrow(text);
    await expect(setup(system)).rejects.toThrow('sekali rewind');
  });

  it('is refused where a limit of deliveries has stranded something, which a rewind delivers again', async () => {
    const system = await createTestSystem();
    const manager = await managerOf(system);
    await manager.consumers.update(system.streamName, system.consumerName, {
      max_deliver: 1,
      ack_wait: nanos(1_000),
    });
    await send(system, 2);
    const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
    await consumer.next({ expires: 5_000 });
    await consumer.next({ expires: 5_000 });
    expect(await consumer.next({ expires: 3_000 })).toBeNull();
    await expect(setup(system)).rejects.toThrow(/max_deliver is 1, should be -1 \(.*sekali rewind/);
    await forgetConsumer(system.connection, { name: system.consumerName, stream: system.streamName });
    expect(await setup(system)).toEqual([]);
    const again = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
    expect((await again.next({ expires: 20_000 }))?.seq).toBe(1);
    expect((await again.next({ expires: 20_000 }))?.seq).toBe(2);
  });

  it('is left paused, and that is said', async () => {
    const system = await createTestSystem();
    const { consumers } = await managerOf(system);
    // The brokers answer before the consumer's leader has heard of it.
    const becomes = (paused: boolean): Promise<unknown> =>
      waitFor(
        async () =>
          ((await consumers.info(system.streamName, system.consumerName)).paused ?? false) === paused,
        { timeoutMs: 10_000, describe: paused ? 'the pause to begin' : 'the pause to end' },
      );
    await consumers.pause(system.streamName, system.consumerName, new Date(Date.now() + 3_600_000));
    await becomes(true);
    expect(await setup(system)).toEqual(['pause_until']);
    await consumers.resume(system.streamName, system.consumerName);
    await becomes(false);
    expect(await setup(system)).toEqual([]);
  });
});

describe('a stream and a consumer that are as they should be', () => {
  it('are sent no update, and what operators may set is left', async () => {
    const system = await createTestSystem();
    const manager = await managerOf(system);
    await manager.streams.update(system.streamName, {
      description: 'ours',
      compression: 's2',
      deny_purge: true,
      deny_delete: true,
    });
    await manager.consumers.update(system.streamName, system.consumerName, { sample_freq: '10%' });
    const before = await configs(system);
    const changes = await changesDuring(system, async () => expect(await setup(system)).toEqual([]));
    expect(changes).toBe(0);
    expect(await configs(system)).toEqual(before);
    expect(await changesDuring(system, () => setup(system, { bytesMax: 128 * 1024 * 1024 }))).toBe(1);
  });
});
