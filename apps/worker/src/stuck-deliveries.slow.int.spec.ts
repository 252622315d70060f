/**
 * The clock of the consumer's leader is put back. The broker then does not redeliver earlier deliveries for as long.
 *
 * The test changes no clock of this machine. The broker stores when it delivered each message. While it is stopped, the
 * test puts that time an hour ahead, which has the same effect as a clock that is put back.
 */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import { ledgerOf, publishEvent, readLedger, startConsumer } from './test/consumer-fixture.js';

const HOUR_SECONDS = 3_600n;
const ACK_WAIT_MS = 1_500;

/** Reads a number as the broker writes it, and returns where it ends. */
function readNumber(bytes: Buffer, from: number): { value: bigint; to: number } {
  let value = 0n;
  for (let at = from, shift = 0n; ; at += 1, shift += 7n) {
    const byte = bytes[at] ?? 0;
    value |= BigInt(byte & 0x7f) << shift;
    if (byte < 0x80) return { value, to: at + 1 };
  }
}

function writeNumber(value: bigint): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80n; rest >>= 7n) bytes.push(Number(rest & 0x7fn) | 0x80);
  return Buffer.from([...bytes, Number(rest)]);
}

/**
 * Puts the times of deliveries ahead in a consumer's state. Its file has two bytes, five numbers, and the second to
 * which these times are relative (zigzag).
 */
function putDeliveriesAhead(file: string): void {
  const state = readFileSync(file);
  let at = 2;
  for (let skipped = 0; skipped < 4; skipped++) at = readNumber(state, at).to;
  const pending = readNumber(state, at);
  expect(pending.value).toBeGreaterThan(0n);
  const base = readNumber(state, pending.to);
  const ahead = writeNumber(base.value + 2n * HOUR_SECONDS);
  writeFileSync(file, Buffer.concat([state.subarray(0, pending.to), ahead, state.subarray(base.to)]));
}

/** Receives messages and never settles them. */
async function deliverUnsettled(system: TestCluster, count: number): Promise<void> {
  const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
  let delivered = 0;
  for await (const message of await consumer.fetch({ max_messages: count, expires: 5_000 })) {
    expect(message.seq).toBe((delivered += 1));
  }
  expect(delivered).toBe(count);
}

describe('a clock that is put back at the leader of the consumer', () => {
  it('delays no redelivery: a worker has the messages delivered again', async () => {
    const system = await createTestCluster({ nodes: 1, replicas: 1, ackWaitMs: ACK_WAIT_MS });
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const unsettled = async (): Promise<number> =>
      (await manager.consumers.info(system.streamName, system.consumerName)).num_ack_pending;
    for (const id of ['e1', 'e2', 'e3']) await publishEvent(system, { id, messageId: `orders:${id}` });
    await deliverUnsettled(system, 3);
    const [node] = system.brokers.nodes;
    if (node === undefined) throw new Error('there is no broker');
    await node.stop();
    const consumerFolder = `jetstream/$G/streams/${system.streamName}/obs/${system.consumerName}`;
    putDeliveriesAhead(join(node.dataDirectory, 'store', consumerFolder, 'o.dat'));
    await node.start();
    await waitFor(async () => (await unsettled()) === 3, {
      timeoutMs: 20_000,
      describe: 'the broker to be back',
    });

    const consumer = await startConsumer(system.environment);
    try {
      await waitFor(() => publishEvent(system, { id: 'e4', messageId: 'orders:e4' }), {
        timeoutMs: 40_000,
        describe: 'the broker to take another event',
      });
      await waitFor(async () => (await readLedger(system.pool)).stored === 4, {
        timeoutMs: 40_000,
        describe: 'the delayed deliveries to be stored',
      });
      expect(consumer.observed).toContainEqual({
        type: 'given-back',
        firstSeq: 1,
        lastSeq: expect.any(Number),
      });
      await waitFor(async () => (await unsettled()) === 0, {
        timeoutMs: 20_000,
        describe: 'all to be settled',
      });
      expect(await readLedger(system.pool)).toEqual(ledgerOf(4));
    } finally {
      await consumer.stop();
      await system.dispose();
    }
  }, 120_000);
});
