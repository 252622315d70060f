import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ConsumerSight } from './durable-consumer.js';
import { Watchdog } from './watchdog.js';

const ACK_WAIT_MS = 60_000;
const LOOK_EVERY_MS = 2_000;

const before: ConsumerSight = {
  stream: {
    ...{ name: 'EVENTS', identity: 'x', firstSeq: 1, lastSeq: 10, leader: 'nats-1' },
    ...{ subjects: ['events.>'], metadata: {} },
  },
  created: 'then',
  pending: 0,
  ackPending: 0,
  deliveryCount: 10,
  deliveredSeq: 10,
  ackFloorSeq: 10,
  ackWaitMs: ACK_WAIT_MS,
  leader: 'nats-2',
};

/** A watchdog over a session that holds as much as it may, so that it is never quiet. */
function watched(look: () => Promise<ConsumerSight | undefined>) {
  const lost: string[] = [];
  const session = {
    quietMs: 0,
    deliveredMs: performance.now() - 1,
    requested: 0,
    lose: (reason: string) => void lost.push(reason),
  };
  const looked = jest.fn(look);
  const watchdog = new Watchdog({
    ...{ session, before, look: looked },
    isHeld: () => false,
    giveBack: () => undefined,
    onFlow: () => undefined,
  });
  return { session, looked, lost, watchdog };
}

describe('the watchdog of a session', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('looks within seconds when a delivery came, and else by the ack wait', async () => {
    const { session, looked, watchdog } = watched(() => Promise.resolve(before));
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect(looked).toHaveBeenCalledTimes(0);
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect(looked).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(ACK_WAIT_MS / 2 - LOOK_EVERY_MS);
    expect(looked).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect(looked).toHaveBeenCalledTimes(2);
    watchdog.stop();
  });

  it('loses the session where a look shows another history', async () => {
    const shorter = { ...before, stream: { ...before.stream, lastSeq: 9 } };
    const { session, lost, watchdog } = watched(() => Promise.resolve(shorter));
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect(lost).toEqual(['the stream ends at 9, and ended at 10']);
    watchdog.stop();
  });

  it('doubts nothing because of one question without an answer while deliveries come', async () => {
    const { session, looked, lost, watchdog } = watched(() => Promise.reject(new Error('no answer')));
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect([looked.mock.calls.length, lost]).toEqual([1, []]);
    session.quietMs = 4_000;
    await jest.advanceTimersByTimeAsync(LOOK_EVERY_MS);
    expect(lost).toEqual(['no answer']);
    watchdog.stop();
  });
});
