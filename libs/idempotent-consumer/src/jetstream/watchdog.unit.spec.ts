import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ConsumerState } from '../delivery-source.js';
import { Watchdog } from './watchdog.js';

const ACK_WAIT_MS = 60_000;
const INSPECT_EVERY_MS = 2_000;

const before: ConsumerState = {
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

/** A watchdog of a session that holds as much as it may, so that it is never quiet. */
function watched(inspect: () => Promise<ConsumerState | undefined>) {
  const lost: string[] = [];
  const session = {
    quietMs: 0,
    deliveredMs: performance.now() - 1,
    requested: 0,
    lose: (reason: string) => void lost.push(reason),
  };
  const inspected = jest.fn(inspect);
  const watchdog = new Watchdog({
    ...{ session, before, inspect: inspected },
    isHeld: () => false,
    giveBack: () => undefined,
    onFlow: () => undefined,
  });
  return { session, inspected, lost, watchdog };
}

describe('the watchdog of a session', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('inspects the consumer within seconds of a delivery, and otherwise by the ack wait', async () => {
    const { session, inspected, watchdog } = watched(() => Promise.resolve(before));
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect(inspected).toHaveBeenCalledTimes(0);
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect(inspected).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(ACK_WAIT_MS / 2 - INSPECT_EVERY_MS);
    expect(inspected).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect(inspected).toHaveBeenCalledTimes(2);
    watchdog.stop();
  });

  it('loses the session when an inspection shows another history', async () => {
    const shorter = { ...before, stream: { ...before.stream, lastSeq: 9 } };
    const { session, lost, watchdog } = watched(() => Promise.resolve(shorter));
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect(lost).toEqual(['the stream ends at 9, and ended at 10']);
    watchdog.stop();
  });

  it('does not lose the session because of one unanswered question while deliveries arrive', async () => {
    const { session, inspected, lost, watchdog } = watched(() => Promise.reject(new Error('no answer')));
    session.deliveredMs = performance.now();
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect([inspected.mock.calls.length, lost]).toEqual([1, []]);
    session.quietMs = 4_000;
    await jest.advanceTimersByTimeAsync(INSPECT_EVERY_MS);
    expect(lost).toEqual(['no answer']);
    watchdog.stop();
  });
});
