/** The bound on events that are parked. */
import { describe, expect, it } from '@jest/globals';
import type { ConsumerEvent } from '../outcome.js';
import { StoppedError } from '../stopped-error.js';
import { Room } from './room.js';

describe('the room for parked events', () => {
  it('keeps a batch waiting while it is full, and reports that once', async () => {
    const observed: ConsumerEvent[] = [];
    const room = new Room(10, (event) => void observed.push(event), new AbortController().signal);
    room.counted(9);
    await room.wait();
    room.counted(10);
    room.counted(10);
    let isThrough = false;
    const waiting = room.wait().then(() => {
      isThrough = true;
    });
    await Promise.resolve();
    expect(isThrough).toBe(false);
    room.counted(8);
    await waiting;
    expect(observed).toEqual([{ type: 'parked-full', parkedMax: 10 }]);
  });

  it('ends the wait when the consumer stops', async () => {
    const stopping = new AbortController();
    const room = new Room(1, () => undefined, stopping.signal);
    room.counted(1);
    const waiting = room.wait();
    stopping.abort();
    await expect(waiting).rejects.toThrow(StoppedError);
  });
});
