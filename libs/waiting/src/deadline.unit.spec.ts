/** The tests use a fake clock, so none of them waits for time. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { LateError, pause, poll, retry, valueOrTimeout, withTimeout } from './deadline.js';

beforeEach(() => {
  jest.useFakeTimers();
});

afterEach(() => {
  const left = jest.getTimerCount();
  jest.useRealTimers();
  // No wait leaves a timer behind, however it ended.
  if (left > 0) throw new Error(`${left} timers were left behind`);
});

/** The state of a promise so far. */
function followed(promise: Promise<unknown>): { state: unknown } {
  const seen: { state: unknown } = { state: 'open' };
  promise.then(
    (value) => (seen.state = { value }),
    (error: unknown) => (seen.state = { error }),
  );
  return seen;
}

const never = new Promise<never>(() => undefined);
const boundMs = 100;

describe('a pause', () => {
  it('ends when its time is over, and not before', async () => {
    const seen = followed(pause(boundMs));
    await jest.advanceTimersByTimeAsync(99);
    expect(seen.state).toBe('open');
    await jest.advanceTimersByTimeAsync(1);
    expect(seen.state).toEqual({ value: undefined });
  });

  it('ends without an error as soon as the signal aborts, and at once when it has', async () => {
    const ending = new AbortController();
    const seen = followed(pause(boundMs, ending.signal));
    ending.abort();
    await jest.advanceTimersByTimeAsync(0);
    expect(seen.state).toEqual({ value: undefined });
    await pause(boundMs, ending.signal);
  });

  it('of zero or negative time ends at once', async () => {
    await Promise.all([0, -1].map((ms) => pause(ms)));
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe('poll', () => {
  const triesUntil = (answerAt: number): { tries: number; probe: () => string | undefined } => {
    const counted = { tries: 0, probe: () => (++counted.tries >= answerAt ? 'there' : undefined) };
    return counted;
  };

  it('probes at once and at intervals, until there is an answer', async () => {
    const counted = triesUntil(3);
    const seen = followed(poll(counted.probe, { timeoutMs: 1_000, intervalMs: 10 }));
    await jest.advanceTimersByTimeAsync(19);
    expect([counted.tries, seen.state]).toEqual([2, 'open']);
    await jest.advanceTimersByTimeAsync(1);
    expect(seen.state).toEqual({ value: 'there' });
  });

  it('gives up at the deadline, with nothing', async () => {
    const seen = followed(poll(triesUntil(100).probe, { timeoutMs: 25, intervalMs: 10 }));
    await jest.advanceTimersByTimeAsync(30);
    expect(seen.state).toEqual({ value: undefined });
  });

  it('gives up with the reason of the signal, in the middle of a pause', async () => {
    const ending = new AbortController();
    const bounds = { timeoutMs: 1_000, intervalMs: 500, signal: ending.signal };
    const seen = followed(poll(triesUntil(100).probe, bounds));
    await jest.advanceTimersByTimeAsync(10);
    ending.abort(new Error('stopped'));
    await jest.advanceTimersByTimeAsync(0);
    expect(seen.state).toEqual({ error: new Error('stopped') });
  });
});

describe('retry', () => {
  /** Fails with each of the errors, then succeeds. */
  const failing = (...errors: string[]): (() => Promise<string>) => {
    return async () => {
      const error = errors.shift();
      if (error !== undefined) throw new Error(error);
      return Promise.resolve('done');
    };
  };

  it('tries again after each failure, and says which', async () => {
    const failures: unknown[] = [];
    const onFailure = (error: unknown): number => failures.push(error);
    const seen = followed(retry(failing('one', 'two'), { forMs: 1_000, everyMs: 10, onFailure }));
    await jest.advanceTimersByTimeAsync(19);
    expect(seen.state).toBe('open');
    await jest.advanceTimersByTimeAsync(1);
    expect(seen.state).toEqual({ value: 'done' });
    expect(failures).toEqual([new Error('one'), new Error('two')]);
  });

  it('ends at once with an error that does not pass', async () => {
    const isPassing = (error: unknown): boolean => (error as Error).message !== 'final';
    const seen = followed(
      retry(failing('one', 'final', 'three'), { forMs: Number.POSITIVE_INFINITY, everyMs: 10, isPassing }),
    );
    await jest.advanceTimersByTimeAsync(10);
    expect(seen.state).toEqual({ error: new Error('final') });
  });

  it('ends with the last error when its time is over', async () => {
    const seen = followed(retry(failing('one', 'two', 'three', 'four'), { forMs: 15, everyMs: 10 }));
    await jest.advanceTimersByTimeAsync(20);
    expect(seen.state).toEqual({ error: new Error('three') });
  });
});

describe('a timeout of an answer', () => {
  it('does not affect an answer that comes in time', async () => {
    expect(await withTimeout(boundMs, Promise.resolve('in time'))).toBe('in time');
    expect(await valueOrTimeout(boundMs, Promise.resolve('in time'))).toBe('in time');
    await expect(withTimeout(boundMs, Promise.reject(new Error('no')))).rejects.toThrow('no');
    await expect(valueOrTimeout(boundMs, Promise.reject(new Error('no')))).rejects.toThrow('no');
  });

  it('ends the wait for a late answer, with an error or with undefined', async () => {
    const strict = followed(withTimeout(boundMs, never));
    const patient = followed(valueOrTimeout(boundMs, never));
    await jest.advanceTimersByTimeAsync(99);
    expect([strict.state, patient.state]).toEqual(['open', 'open']);
    await jest.advanceTimersByTimeAsync(1);
    expect([strict.state, patient.state]).toEqual([
      { error: new LateError('no answer within 100 ms') },
      { value: undefined },
    ]);
  });
});
