/** Setup waits for brokers that are not back yet, and says what to do about a stream that is too large for all of them. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import { NoRoomError } from './availability.js';
import { ensureStream, type StreamDefinition } from './topology.js';

let system: TestCluster;

beforeAll(async () => {
  system = await createTestCluster();
});

afterAll(async () => {
  await system.dispose();
});

const definition = (name: string, bytesMax = 1_000_000): StreamDefinition => ({
  name,
  subjectPrefix: name.toLowerCase(),
  replicas: 3,
  bytesMax,
  ageSecondsMax: 3_600,
  duplicateWindowMs: 1_000,
});

describe('a place for a stream', () => {
  it('is waited for while a broker is away', async () => {
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    // Brokers that have been started have not met yet what was there before.
    const { nodes } = system.brokers;
    await Promise.all(nodes.map((node) => node.stop()));
    const [away, ...others] = nodes;
    await Promise.all(others.map((node) => node.spawn()));
    const refused = async (): Promise<boolean> =>
      manager.streams.add({ name: 'PROBE', subjects: ['probe.>'], num_replicas: 3 }).then(
        () => manager.streams.delete('PROBE').then(() => false),
        (error: unknown) => String(error).includes('no suitable peers'),
      );
    await waitFor(refused, {
      timeoutMs: 40_000,
      describe: 'the brokers to have no room for three replicas',
    });
    const made = ensureStream(system.connection, definition('WAITED'));
    let isEarly = true;
    const early = made.then(
      () => isEarly,
      () => isEarly,
    );
    await waitFor(refused, { timeoutMs: 40_000, describe: 'the brokers to have no room still' });
    isEarly = false;
    await away?.start();
    expect((await made).config.name).toBe('WAITED');
    expect(await early).toBe(false);
  }, 120_000);

  it('that the disks lack is reported, with what to do', async () => {
    const made = ensureStream(system.connection, definition('LARGE', 1e15));
    await expect(made).rejects.toThrow(NoRoomError);
    await expect(made).rejects.toThrow(/lower SEKALI_STREAM_BYTES_MAX/);
  }, 120_000);
});
