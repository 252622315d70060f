/** Every doubt about a pull ends its session, also when the broker does not report it. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { PullSession } from './pull-session.js';

const ROOM_BYTES = 10_000_000;

let system: TestSystem;
const opened: PullSession[] = [];

beforeAll(async () => {
  system = await createTestSystem();
});

// A session that a failed test left open would keep this process alive.
afterEach(() => {
  for (const session of opened.splice(0)) session.close();
});

afterAll(async () => {
  await system.dispose();
});

interface Watched {
  readonly session: PullSession;
  readonly seqs: number[];
  /** How many pulls have ended. */
  readonly ended: () => number;
  readonly lost: string[];
}

function open(consumer: string, stream = system.streamName): Watched {
  const seqs: number[] = [];
  const lost: string[] = [];
  let ended = 0;
  const session = new PullSession(system.connection, {
    stream,
    consumer,
    replyPrefix: undefined,
    apiPrefix: undefined,
    onDelivery: (delivery) => {
      seqs.push(delivery.seq);
      delivery.ack();
    },
    onPullEnded: () => {
      ended += 1;
    },
    onLost: (reason) => void lost.push(reason),
  });
  opened.push(session);
  return { session, seqs, lost, ended: () => ended };
}

async function reasonOf(watched: Watched, timeoutMs = 10_000): Promise<string | undefined> {
  await waitFor(() => watched.lost.length > 0, { timeoutMs, describe: 'the session to be lost' });
  return watched.lost[0];
}

describe('a pull session', () => {
  it('never requests more than there is room for, and knows what is still to come', async () => {
    const watched = open(system.consumerName);
    watched.session.request(10, ROOM_BYTES);
    watched.session.request(10, ROOM_BYTES);
    expect(watched.session.requested).toBe(10);
    for (let n = 0; n < 4; n++) await jetstream(system.connection).publish(`${system.subjectPrefix}.a`, '{}');
    await waitFor(() => watched.seqs.length === 4, { timeoutMs: 10_000, describe: 'four deliveries' });
    expect(watched.seqs).toEqual([1, 2, 3, 4]);
    expect(watched.session.requested).toBe(6);
    watched.session.close();
    expect(watched.lost).toEqual([]);
  });

  it('gets no more bytes than it requested, and ends the pull there', async () => {
    const body = new Uint8Array(400_000);
    for (let n = 0; n < 8; n++)
      await jetstream(system.connection).publish(`${system.subjectPrefix}.large`, body);
    const watched = open(system.consumerName);
    watched.session.request(100, 1_000_000);
    expect(watched.session.requested).toBe(0);
    watched.session.request(100, 2_500_000);
    // The status of its end may come before the last deliveries.
    await waitFor(() => watched.ended() === 1 && watched.seqs.length >= 5, {
      timeoutMs: 10_000,
      describe: 'the pull to end',
    });
    expect(watched.seqs.length).toBeLessThanOrEqual(6);
    expect(watched.session.requested).toBe(0);
    watched.session.request(100, ROOM_BYTES);
    await waitFor(() => watched.seqs.length === 8, { timeoutMs: 10_000, describe: 'the rest' });
    watched.session.close();
    expect(watched.lost).toEqual([]);
  });

  it('is lost when no broker answers', async () => {
    const watched = open('missing', 'NOTHING');
    watched.session.request(1, ROOM_BYTES);
    expect(await reasonOf(watched)).toMatch(/503|no responders/);
  });

  it('is lost when the receiver of the request falls silent', async () => {
    const silent = system.connection.subscribe('$JS.API.CONSUMER.MSG.NEXT.SILENT.store');
    const watched = open('store', 'SILENT');
    watched.session.request(1, ROOM_BYTES);
    expect(await reasonOf(watched)).toBe('heartbeats missed');
    silent.unsubscribe();
  });

  it('survives idle time by heartbeats', async () => {
    const watched = open(system.consumerName);
    watched.session.request(5, ROOM_BYTES);
    await waitFor(() => watched.session.quietMs > 4_000, { timeoutMs: 10_000, describe: 'idle time' });
    expect(watched.lost).toEqual([]);
    watched.session.close();
  });

  it('is lost when the consumer is deleted', async () => {
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const watched = open(system.consumerName);
    watched.session.request(5, ROOM_BYTES);
    await system.connection.flush();
    await manager.consumers.delete(system.streamName, system.consumerName);
    expect(await reasonOf(watched)).toMatch(/consumer deleted|heartbeats missed/i);
  });
});
