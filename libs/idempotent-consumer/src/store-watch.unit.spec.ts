import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { ConsumerState } from './delivery-source.js';
import { StoreWatch } from './store-watch.js';
import type { ConsumerStart } from './stream-history.js';

const EVERY_MS = 10_000;
const GATHER_MS = 300;

const before: ConsumerState = {
  stream: {
    ...{ name: 'EVENTS', identity: 'x', firstSeq: 1, lastSeq: 10, leader: 'nats-1' },
    ...{ subjects: ['events.>'], metadata: {} },
  },
  ...{ created: 'then', pending: 0, ackPending: 0, deliveryCount: 10, deliveredSeq: 10, ackFloorSeq: 10 },
  ...{ ackWaitMs: 60_000, leader: 'nats-2' },
};

const loss = { firstSeq: 4, lastSeq: 10, missing: 7, publishedAt: new Date(0) };

function watched(
  inspect: () => Promise<ConsumerState | undefined>,
  startOf: () => Promise<ConsumerStart | undefined>,
) {
  const lost: string[] = [];
  const asked = jest.fn(startOf);
  let connect = (): void => undefined;
  const watch = new StoreWatch({
    ...{ before, inspect, startOf: asked },
    onNewConnection: (listener) => {
      connect = listener;
      return () => (connect = () => undefined);
    },
    lose: (reason) => void lost.push(reason),
  });
  return { watch, asked, lost, connect: () => connect() };
}

const nothing = (): Promise<undefined> => Promise.resolve(undefined);

describe('the watch over a store', () => {
  beforeEach(() => void jest.useFakeTimers());
  afterEach(() => void jest.useRealTimers());

  it('asks once after several new connections, and now and then without one', async () => {
    const { watch, asked, connect } = watched(() => Promise.resolve(before), nothing);
    for (let n = 0; n < 4; n++) connect();
    await jest.advanceTimersByTimeAsync(GATHER_MS);
    expect(asked).toHaveBeenCalledTimes(1);
    await jest.advanceTimersByTimeAsync(EVERY_MS);
    expect(asked).toHaveBeenCalledTimes(2);
    watch.stop();
    connect();
    await jest.advanceTimersByTimeAsync(3 * EVERY_MS);
    expect(asked).toHaveBeenCalledTimes(2);
  });

  it('ends the session when the store lacks what was acknowledged, and says what', async () => {
    const { watch, lost, connect } = watched(
      () => Promise.resolve(before),
      () => Promise.resolve({ seq: 4, loss }),
    );
    connect();
    await jest.advanceTimersByTimeAsync(GATHER_MS);
    expect(lost).toEqual([
      'the store went back in time: it lacks at least 7 messages that were acknowledged, from 4 on',
    ]);
    watch.stop();
  });

  it('asks again after an outage of either side', async () => {
    let failures = 2;
    const failing = (): Promise<ConsumerState> =>
      failures-- > 0 ? Promise.reject(new Error('no answer')) : Promise.resolve(before);
    const { watch, lost } = watched(failing, () => Promise.resolve({ seq: 4, loss }));
    await jest.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(lost).toEqual([]);
    await jest.advanceTimersByTimeAsync(EVERY_MS);
    expect(lost).toHaveLength(1);
    watch.stop();
  });

  it.each([
    ['that was created again', { ...before, created: 'later' }],
    ['of another stream', { ...before, stream: { ...before.stream, identity: 'y' } }],
    ['that is gone', undefined],
  ])('leaves a consumer %s to the watchdog', async (_, state) => {
    const { watch, asked } = watched(() => Promise.resolve(state), nothing);
    await jest.advanceTimersByTimeAsync(2 * EVERY_MS);
    expect(asked).not.toHaveBeenCalled();
    watch.stop();
  });
});
