import { describe, expect, it } from '@jest/globals';
import { inSteps } from './paced-steps.js';

const LOCK_TIMEOUT = Object.assign(new Error('lock'), { code: '55P03' });
const PACE = { signal: undefined, pauseFactor: 0, busyPauseMs: 0 };

describe('paced steps', () => {
  it('pause in proportion to what each took', async () => {
    let workedMs = 0;
    let left = 4;
    const beganMs = performance.now();
    await inSteps(
      () => {
        const stepMs = performance.now();
        while (performance.now() - stepMs < 10);
        workedMs += performance.now() - stepMs;
        return Promise.resolve(--left > 0);
      },
      { ...PACE, pauseFactor: 9 },
    );
    // There is no pause after the last step, and a timer may end a millisecond early.
    expect(performance.now() - beganMs).toBeGreaterThan((workedMs * 3 * 9) / 4 / 2);
  });

  it('are tried again while other sessions hold a lock, and give up after some tries', async () => {
    let tries = 0;
    const busyFor = (times: number) => () =>
      ++tries <= times ? Promise.reject(LOCK_TIMEOUT) : Promise.resolve(false);
    expect(await inSteps(busyFor(11), PACE)).toBe(true);
    tries = 0;
    await expect(inSteps(busyFor(12), PACE)).rejects.toBe(LOCK_TIMEOUT);
    tries = 0;
    await expect(inSteps(busyFor(1), { ...PACE, isPatient: () => false })).rejects.toBe(LOCK_TIMEOUT);
    expect(tries).toBe(1);
  });

  it('end by a signal, and by any other error', async () => {
    const over = new AbortController();
    const step = (): Promise<boolean> => {
      over.abort();
      return Promise.resolve(true);
    };
    expect(await inSteps(step, { ...PACE, signal: over.signal })).toBe(false);
    const broken = (): Promise<boolean> => Promise.reject(new Error('broken'));
    await expect(inSteps(broken, PACE)).rejects.toThrow('broken');
  });
});
