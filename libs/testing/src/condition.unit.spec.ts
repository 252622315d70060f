import { describe, expect, it } from '@jest/globals';
import { waitFor } from './condition.js';

const soon = { timeoutMs: 2_000, describe: 'a number', intervalMs: 1 };

describe('waitFor', () => {
  it('gives what the condition gave once it was true', async () => {
    const answers = [undefined, 0, false, '', null, 'found', 'too late'];
    expect(await waitFor(() => answers.shift(), soon)).toBe('found');
  });

  it('takes a condition that throws for one that is not met yet', async () => {
    let tries = 0;
    const condition = (): number => {
      tries += 1;
      if (tries < 3) throw new Error('connection refused');
      return tries;
    };
    expect(await waitFor(condition, soon)).toBe(3);
  });

  it('says at the deadline what was waited for and what was seen last', async () => {
    const wait = waitFor(() => Promise.resolve(false), {
      timeoutMs: 5,
      describe: '20 events',
      intervalMs: 1,
    });
    await expect(wait).rejects.toThrow('Waited 5 ms for 20 events; last seen: false');
  });

  it('hands on the last error of a condition that never stopped throwing', async () => {
    const cause = new Error('connection refused');
    const wait = waitFor(() => Promise.reject(cause), {
      timeoutMs: 5,
      describe: 'the gateway',
      intervalMs: 1,
    });
    await expect(wait).rejects.toMatchObject({
      cause,
      message: expect.stringContaining('connection refused'),
    });
  });
});
