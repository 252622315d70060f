import { describe, expect, it } from '@jest/globals';
import { BoundedQueue } from './bounded-queue.js';

describe('a bounded queue', () => {
  it('returns entries in order, also past the end of its ring', () => {
    const queue = new BoundedQueue<number>(3);
    const taken: (number | undefined)[] = [];
    for (let n = 0; n < 10; n++) {
      queue.push(n);
      if (n % 3 !== 0) taken.push(queue.shift());
    }
    expect(taken).toEqual([0, 1, 2, 3, 4, 5]);
  });

  it('takes no more than it has room for', () => {
    const queue = new BoundedQueue<number>(2);
    expect([queue.push(1), queue.push(2), queue.push(3)]).toEqual([true, true, false]);
    expect(queue).toHaveLength(2);
    queue.pushOver(4);
    expect([queue.at(0), queue.at(1), queue.at(2)]).toEqual([2, 4, undefined]);
    expect([queue.shift(), queue.shift(), queue.shift()]).toEqual([2, 4, undefined]);
  });
});
