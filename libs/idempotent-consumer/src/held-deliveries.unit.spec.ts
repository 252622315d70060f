/** When progress is signalled. */
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Delivery } from './delivery.js';
import { HeldDeliveries } from './held-deliveries.js';

const ACK_WAIT_MS = 8_000;

let held: HeldDeliveries;

beforeEach(() => {
  jest.useFakeTimers();
  held = new HeldDeliveries();
  held.setAckWait(ACK_WAIT_MS);
});

afterEach(() => {
  held.stop();
  jest.useRealTimers();
});

/** A delivery that notes when progress is signalled for it, in milliseconds since it arrived. */
function heldNow(seq = 1): { delivery: Delivery; signalledMs: number[] } {
  const cameMs = Date.now();
  const signalledMs: number[] = [];
  const working = (): void => void signalledMs.push(Date.now() - cameMs);
  const delivery = { seq, data: Buffer.alloc(10), working } as unknown as Delivery;
  held.add(delivery);
  return { delivery, signalledMs };
}

describe('the progress signals for held deliveries', () => {
  it.each([0, 1, 499, 999])(
    'come before half of the ack wait is over, for a delivery that arrives %i ms into a tick',
    (ms) => {
      jest.advanceTimersByTime(ms);
      const { signalledMs } = heldNow();
      jest.advanceTimersByTime(5 * ACK_WAIT_MS);
      const pauses = signalledMs.map((at, n) => at - (signalledMs[n - 1] ?? 0));
      expect(pauses.length).toBeGreaterThanOrEqual(10);
      expect(Math.max(...pauses)).toBeLessThanOrEqual(ACK_WAIT_MS / 2);
      // Each signal costs the brokers work.
      expect(Math.min(...pauses)).toBeGreaterThan((ACK_WAIT_MS * 3) / 8 - 1);
    },
  );

  it('are not sent for a delivery that is settled within a third of the ack wait, nor later', () => {
    const { delivery, signalledMs } = heldNow();
    jest.advanceTimersByTime(ACK_WAIT_MS / 3);
    held.delete(delivery);
    jest.advanceTimersByTime(2 * ACK_WAIT_MS);
    expect(signalledMs).toEqual([]);
    expect([held.size, held.bytes]).toEqual([0, 0]);
  });

  it('follow an ack wait that is changed', () => {
    const { signalledMs } = heldNow();
    held.setAckWait(ACK_WAIT_MS / 4);
    jest.advanceTimersByTime(ACK_WAIT_MS / 8);
    expect(signalledMs).toHaveLength(1);
  });
});
