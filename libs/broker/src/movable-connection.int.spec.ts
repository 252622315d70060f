/** A connection is taken to the broker that was named, and stands wherever it ends. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import { MovableConnection } from './movable-connection.js';

let system: TestCluster;
let movable: MovableConnection;

beforeAll(async () => {
  system = await createTestCluster();
  const urls = system.environment['SEKALI_NATS_URLS'] ?? '';
  movable = await MovableConnection.open({ urls, name: 'mover' }, { waitForFirst: false });
});

afterAll(async () => {
  await movable.connection.close();
  await system.dispose();
});

const never = new AbortController().signal;

describe('a move', () => {
  it('ends at the broker that was named, with the subscriptions it had', async () => {
    const heard: string[] = [];
    movable.connection.subscribe('moved', { callback: (_, message) => void heard.push(message.string()) });
    for (const { name } of [...system.brokers.nodes, ...system.brokers.nodes]) {
      expect(await movable.moveTo(name, never)).toBe(true);
      expect(movable.connection.info?.server_name).toBe(name);
      movable.connection.publish('moved', name);
      await movable.connection.flush();
      expect(heard.at(-1)).toBe(name);
    }
  });

  it('tries each address once for a broker that it cannot meet', async () => {
    expect(await movable.moveTo('nowhere', never)).toBe(false);
    await movable.connection.flush();
  });

  it('gives up when its signal aborts', async () => {
    const giveUp = new AbortController();
    const moving = movable.moveTo('nowhere', giveUp.signal);
    giveUp.abort();
    expect(await moving).toBe(false);
    let heard = false;
    movable.connection.subscribe('stands', { callback: () => void (heard = true) });
    const stands = (): boolean => {
      movable.connection.publish('stands');
      return heard;
    };
    await waitFor(stands, { timeoutMs: 10_000, describe: 'the connection stands, wherever it is' });
  });
});
