import { describe, expect, it } from '@jest/globals';
import { jetstreamManager } from '@nats-io/jetstream';
import { eventText, MESSAGE_ID_HEADER } from '#contracts';
import { createTestCluster, inBackground, waitFor, type TestCluster } from '#testing';
import { connectBroker } from './connection.js';
import type { PublishOutcome } from '#idempotent-consumer/jetstream';
import { Publisher } from './publisher.js';

const EVENTS = 4_000;
/** Every tenth event is sent twice, one after the other. */
const IS_REPEATED = (n: number): boolean => n % 10 === 0;

async function leaderOf(cluster: TestCluster): Promise<string> {
  const manager = await jetstreamManager(cluster.connection, { checkAPI: false });
  return (await manager.streams.info(cluster.streamName)).cluster?.leader ?? '';
}

/** Every message id in the stream, with how often it is there. */
async function storedIds(cluster: TestCluster): Promise<Map<string, number>> {
  const manager = await jetstreamManager(cluster.connection, { checkAPI: false });
  // One broker is down: the stream may be without a leader for a moment.
  const { state } = await waitFor(() => manager.streams.info(cluster.streamName), {
    timeoutMs: 30_000,
    describe: 'the state of the stream',
  });
  const ids = new Map<string, number>();
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await waitFor(() => manager.streams.getMessage(cluster.streamName, { seq }), {
      timeoutMs: 30_000,
      describe: `message ${seq}`,
    });
    const id = message.header.get(MESSAGE_ID_HEADER);
    ids.set(id, (ids.get(id) ?? 0) + 1);
  }
  return ids;
}

describe('publishing while the leader of the stream is killed', () => {
  it('loses nothing, stores nothing twice, and counts duplicates exactly', async () => {
    const cluster = await createTestCluster();
    const connection = await connectBroker(
      { urls: cluster.natsUrls.join(','), name: 'test' },
      { waitForFirst: true },
    );
    const publisher = new Publisher(connection, {
      stream: cluster.streamName,
      subjectPrefix: cluster.subjectPrefix,
      inFlightMax: 64,
      waitingMax: 100,
      budgetMs: 60_000,
    });
    const leader = await leaderOf(cluster);
    const outcomes: PublishOutcome[] = [];
    let next = 0;
    const produce = async (): Promise<void> => {
      for (let n = next++; n < EVENTS; n = next++) {
        const identity = { topic: 'a', eventId: String(n) };
        const body = eventText({
          ...identity,
          timestamp: '2026-11-22T10:00:00Z',
          source: 's',
          payload: '{}',
        });
        const event = { ...identity, body };
        outcomes.push(await publisher.publish(event));
        if (IS_REPEATED(n)) outcomes.push(await publisher.publish(event));
      }
    };
    const producers = inBackground(() => Promise.all(Array.from({ length: 64 }, produce)));
    await waitFor(() => outcomes.length > EVENTS / 4, {
      timeoutMs: 60_000,
      describe: 'a quarter to be published',
    });
    cluster.brokers.node(leader).kill('SIGKILL');
    await producers.ended;
    await connection.close();

    const statuses = outcomes.map((outcome) => outcome.status);
    expect(statuses.filter((status) => status === 'unavailable')).toEqual([]);
    expect(statuses.filter((status) => status === 'accepted')).toHaveLength(EVENTS);
    expect(statuses.filter((status) => status === 'duplicate')).toHaveLength(EVENTS / 10);
    const ids = await storedIds(cluster);
    expect(ids.size).toBe(EVENTS);
    expect([...ids.values()].every((times) => times === 1)).toBe(true);
  }, 180_000);
});
