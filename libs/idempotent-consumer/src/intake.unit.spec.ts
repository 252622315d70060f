import { describe, expect, it } from '@jest/globals';
import type { Delivery } from './delivery.js';
import { Intake } from './intake.js';

function delivery(seq: number, bytes = 0): Delivery {
  const nothing = (): undefined => undefined;
  return {
    seq,
    subject: 'events.a',
    data: new Uint8Array(bytes),
    header: nothing,
    headersText: nothing,
    deliveryCount: 1,
    publishedAt: new Date(0),
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}

const BOUNDS = { batchSize: 10, batchBytes: 1_000_000, batchWaitMs: 60_000 };

describe('intake', () => {
  const never = new AbortController().signal;

  it('gives a full batch at once and keeps the rest in order', async () => {
    const intake = new Intake({ ...BOUNDS, batchSize: 3 });
    for (const seq of [1, 2, 3, 4]) intake.add(delivery(seq));
    const batch = await intake.take(never);
    expect(batch.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(intake.clear().map(({ seq }) => seq)).toEqual([4]);
  });

  it('gives what has so many bytes together, and one that has more by itself', async () => {
    const intake = new Intake({ ...BOUNDS, batchBytes: 100 });
    for (const [seq, bytes] of [
      [1, 40],
      [2, 60],
      [3, 101],
      [4, 1],
    ] as const)
      intake.add(delivery(seq, bytes));
    const batches = [await intake.take(never), await intake.take(never)];
    expect(batches.map((batch) => batch.map(({ seq }) => seq))).toEqual([[1, 2], [3]]);
    expect(intake.clear().map(({ seq }) => seq)).toEqual([4]);
  });

  it('does not let a lone event wait for company longer than the bound', async () => {
    const intake = new Intake({ ...BOUNDS, batchSize: 1_000, batchWaitMs: 1 });
    intake.add(delivery(1));
    await expect(intake.take(never)).resolves.toHaveLength(1);
  });

  it('does not let it wait at all while nothing is at work', async () => {
    const intake = new Intake(BOUNDS);
    const taken = intake.take(never, () => true);
    intake.add(delivery(1));
    await expect(taken).resolves.toHaveLength(1);
  });

  it('wakes up for an event that comes while it waits', async () => {
    const intake = new Intake({ ...BOUNDS, batchSize: 2, batchWaitMs: 0 });
    const taken = intake.take(never);
    intake.add(delivery(1));
    await expect(taken).resolves.toHaveLength(1);
  });

  it('wakes up when a waiting batch becomes full', async () => {
    const intake = new Intake({ ...BOUNDS, batchSize: 2 });
    intake.add(delivery(1));
    const taken = intake.take(never);
    intake.add(delivery(2));
    await expect(taken).resolves.toHaveLength(2);
  });

  it('gives nothing once it is aborted, and what waited can be handed back', async () => {
    const abort = new AbortController();
    const intake = new Intake(BOUNDS);
    intake.add(delivery(1));
    const taken = intake.take(abort.signal);
    abort.abort();
    await expect(taken).resolves.toEqual([]);
    expect(intake.clear().map(({ seq }) => seq)).toEqual([1]);
    expect(intake.clear()).toEqual([]);
  });
});
