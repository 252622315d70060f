/** The bound on events that are parked. */
import { describe, expect, it } from '@jest/globals';
import type { ConsumerEvent } from '../outcome.js';
import { StoppedError } from '../stopped-error.js';
import { DeliveryOrder } from './delivery-order.js';
import { Room } from './room.js';

const never = (): boolean => false;

describe('the room for parked events', () => {
  it('keeps a batch waiting while it is full, and reports that once', async () => {
    const observed: ConsumerEvent[] = [];
    const room = new Room(10, (event) => void observed.push(event), new AbortController().signal);
    room.counted(9);
    await room.wait(never);
    room.counted(10);
    room.counted(10);
    let isThrough = false;
    const waiting = room.wait(never).then(() => {
      isThrough = true;
    });
    await Promise.resolve();
    expect(isThrough).toBe(false);
    room.counted(8);
    await waiting;
    expect(observed).toEqual([{ type: 'parked-full', parkedMax: 10 }]);
  });

  it('ends the wait of a process that may not decide any more, although it is full', async () => {
    const room = new Room(1, () => undefined, new AbortController().signal);
    const deliveries = new DeliveryOrder();
    deliveries.begin({ deliveryCount: 0 }, 0);
    room.counted(1);
    let isThrough = false;
    const waiting = room
      .wait(() => deliveries.hasEnded)
      .then(() => {
        isThrough = true;
      });
    await Promise.resolve();
    expect(isThrough).toBe(false);
    deliveries.lose();
    await waiting;
    expect(room.isFull).toBe(true);
  });

  it('ends the wait when the consumer stops', async () => {
    const stopping = new AbortController();
    const room = new Room(1, () => undefined, stopping.signal);
    room.counted(1);
    const waiting = room.wait(never);
    stopping.abort();
    await expect(waiting).rejects.toThrow(StoppedError);
  });
});
