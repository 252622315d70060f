import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Progress } from './progress.js';

let written: string[];
const stream = (isTTY: boolean) => ({ isTTY, write: (text: string) => written.push(text) });

beforeEach(() => {
  written = [];
  jest.useFakeTimers();
});

afterEach(() => {
  jest.useRealTimers();
});

describe('the progress of a benchmark', () => {
  it('in a file has one line per round, and the current work now and then', () => {
    const progress = new Progress(stream(false));
    progress.part('drain');
    for (let second = 1; second <= 25; second += 1) {
      jest.advanceTimersByTime(1_000);
      progress.now(`filling: ${second}`);
    }
    progress.round('baseline loop', 0, 12_345.6);
    progress.round('baseline loop', 1, 0.123456);
    progress.stop();
    expect(written.map((line) => line.replace(/ +/g, ' '))).toStrictEqual([
      '00:00 drain\n',
      '00:10 filling: 10\n',
      '00:20 filling: 20\n',
      ' warm-up baseline loop 12,346\n',
      ' round 1 baseline loop 0.123\n',
    ]);
  });

  it('on a terminal moves every second, and leaves nothing behind', () => {
    const progress = new Progress(stream(true));
    progress.part('drain');
    jest.advanceTimersByTime(61_000);
    expect(written.at(-1)).toBe('01:01 drain');
    progress.stop();
    expect(written.at(-1)).toBe('\r\u001b[2K');
    const lines = written.length;
    jest.advanceTimersByTime(5_000);
    expect(written).toHaveLength(lines);
  });
});
