import { describe, expect, it } from '@jest/globals';
import type { Delivery } from './delivery.js';
import { BatchBuffer } from './batch-buffer.js';

function delivery(seq: number, bytes = 0): Delivery {
  const nothing = (): undefined => undefined;
  return {
    seq,
    subject: 'events.a',
    data: new Uint8Array(bytes),
    header: nothing,
    headersText: nothing,
    headerBytes: nothing,
    deliveryCount: 1,
    publishedAt: new Date(0),
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}

const BOUNDS = { batchSize: 10, batchBytes: 1_000_000, batchWaitMs: 60_000 };

describe('the batch buffer', () => {
  const never = new AbortController().signal;

  it('gives a full batch at once and keeps the rest in order', async () => {
    const buffer = new BatchBuffer({ ...BOUNDS, batchSize: 3 });
    for (const seq of [1, 2, 3, 4]) buffer.add(delivery(seq));
    const batch = await buffer.take(never);
    expect(batch.map(({ seq }) => seq)).toEqual([1, 2, 3]);
    expect(buffer.clear().map(({ seq }) => seq)).toEqual([4]);
  });

  it('gives as many deliveries as fit into the bytes of a batch, and a larger one alone', async () => {
    const buffer = new BatchBuffer({ ...BOUNDS, batchBytes: 100 });
    for (const [seq, bytes] of [
      [1, 40],
      [2, 60],
      [3, 101],
      [4, 1],
    ] as const)
      buffer.add(delivery(seq, bytes));
    const batches = [await buffer.take(never), await buffer.take(never)];
    expect(batches.map((batch) => batch.map(({ seq }) => seq))).toEqual([[1, 2], [3]]);
    expect(buffer.clear().map(({ seq }) => seq)).toEqual([4]);
  });

  it('does not let a lone event wait for others longer than the bound', async () => {
    const buffer = new BatchBuffer({ ...BOUNDS, batchSize: 1_000, batchWaitMs: 1 });
    buffer.add(delivery(1));
    await expect(buffer.take(never)).resolves.toHaveLength(1);
  });

  it('does not let a lone event wait while no transaction is open', async () => {
    const buffer = new BatchBuffer(BOUNDS);
    const taken = buffer.take(never, () => true);
    buffer.add(delivery(1));
    await expect(taken).resolves.toHaveLength(1);
  });

  it('wakes up for an event that comes while it waits', async () => {
    const buffer = new BatchBuffer({ ...BOUNDS, batchSize: 2, batchWaitMs: 0 });
    const taken = buffer.take(never);
    buffer.add(delivery(1));
    await expect(taken).resolves.toHaveLength(1);
  });

  it('wakes up when a waiting batch becomes full', async () => {
    const buffer = new BatchBuffer({ ...BOUNDS, batchSize: 2 });
    buffer.add(delivery(1));
    const taken = buffer.take(never);
    buffer.add(delivery(2));
    await expect(taken).resolves.toHaveLength(2);
  });

  it('gives no batch once it is aborted, and clear returns the waiting deliveries', async () => {
    const abort = new AbortController();
    const buffer = new BatchBuffer(BOUNDS);
    buffer.add(delivery(1));
    const taken = buffer.take(abort.signal);
    abort.abort();
    await expect(taken).resolves.toEqual([]);
    expect(buffer.clear().map(({ seq }) => seq)).toEqual([1]);
    expect(buffer.clear()).toEqual([]);
  });
});
