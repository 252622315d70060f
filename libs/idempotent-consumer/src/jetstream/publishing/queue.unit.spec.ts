import { describe, expect, it } from '@jest/globals';
import { Queue } from './queue.js';

describe('a queue', () => {
  it('gives back in order what was put in, also beyond the places it keeps', () => {
    const line = new Queue<number>();
    const taken: number[] = [];
    for (let n = 0; n < 20_000; n++) {
      line.add(n);
      // Some are always left, so that the queue is never empty in between.
      if (n >= 10) taken.push(line.take() ?? -1);
    }
    for (let n = line.take(); n !== undefined; n = line.take()) taken.push(n);
    expect(taken).toEqual(Array.from({ length: 20_000 }, (_, n) => n));
  });
});
