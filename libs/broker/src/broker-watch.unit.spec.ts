/** When a connection leaves a broker that answers nothing, and when it stays. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { BrokerWatch } from './broker-watch.js';

const PATIENCE_MS = 4_000;

let moves: number;
let movedAtMs: number;
let reported: [number, string | undefined][];
let watch: BrokerWatch;

beforeEach(() => {
  jest.useFakeTimers({ now: 0 });
  moves = 0;
  reported = [];
  movedAtMs = -Infinity;
  const mover = {
    get movedAtMs() {
      return movedAtMs;
    },
    moveOn: (): Promise<string> => {
      movedAtMs = performance.now();
      return Promise.resolve(`nats-${(moves += 1)}`);
    },
  };
  watch = new BrokerWatch(mover, {
    patienceMs: PATIENCE_MS,
    onMoved: (ms, broker) => void reported.push([ms, broker]),
  });
});

afterEach(() => {
  jest.useRealTimers();
});

/** Fails once a second. */
async function failFor(seconds: number): Promise<void> {
  for (let n = 0; n < seconds; n++) {
    watch.unanswered();
    await jest.advanceTimersByTimeAsync(1_000);
  }
}

describe('a watch on a broker', () => {
  it('moves on once nothing was answered for its patience, and says for how long', async () => {
    await failFor(4);
    expect(moves).toBe(0);
    await failFor(1);
    expect(reported).toEqual([[PATIENCE_MS, 'nats-1']]);
    expect(watch.failingMs).toBe(5_000);
  });

  it('counts the time that an answer was waited for', async () => {
    watch.unanswered(PATIENCE_MS);
    expect(moves).toBe(0);
    watch.unanswered(PATIENCE_MS);
    await jest.advanceTimersByTimeAsync(0);
    expect(moves).toBe(1);
  });

  it('stays while one request is answered now and then', async () => {
    for (let n = 0; n < 10; n++) {
      await failFor(3);
      watch.answered();
    }
    expect(moves).toBe(0);
    expect(watch.failingMs).toBe(0);
  });

  it('waits twice as long after each move in vain, and as at first after an answer', async () => {
    await failFor(5);
    await failFor(7);
    expect(moves).toBe(1);
    await failFor(1);
    expect(moves).toBe(2);
    watch.answered();
    await failFor(5);
    expect(moves).toBe(3);
  });

  it('ignores a single lost answer, however long ago', async () => {
    watch.unanswered();
    await jest.advanceTimersByTimeAsync(60_000);
    expect(watch.failingMs).toBe(0);
    expect(moves).toBe(0);
  });

  it('counts a move that another watch began as its own', async () => {
    await failFor(3);
    movedAtMs = performance.now();
    await failFor(8);
    expect(moves).toBe(0);
    await failFor(1);
    expect(moves).toBe(1);
  });
});
