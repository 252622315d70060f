/**
 * A clock that was put back at the consumer's leader: what had been delivered is not delivered again for as long.
 *
 * No clock of this machine is touched. The broker keeps when it delivered each message; while it is stopped, that moment is put
 * an hour ahead, which is what a clock that goes back by an hour makes of it.
 */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createTestCluster, type TestCluster, waitFor } from '#testing';
import { ledgerOf, publishEvent, readLedger, startConsumer } from './test/consumer-fixture.js';

const HOUR_SECONDS = 3_600n;
const ACK_WAIT_MS = 1_500;

/** A number as the broker writes it, and where it ends. */
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

/** The consumer's state: two bytes, five numbers, and the second to which the deliveries' times are relative (zigzag). */
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

/** Has messages delivered to a client that never settles them. */
async function deliverToNobody(system: TestCluster, count: number): Promise<void> {
  const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
  let delivered = 0;
  for await (const message of await consumer.fetch({ max_messages: count, expires: 5_000 })) {
    expect(message.seq).toBe((delivered += 1));
  }
  expect(delivered).toBe(count);
}

describe('a clock that is put back at the leader of the consumer', () => {
  it('keeps no delivery back: a worker has them delivered again', async () => {
    const system = await createTestCluster({ nodes: 1, replicas: 1, ackWaitMs: ACK_WAIT_MS });
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    const unsettled = async (): Promise<number> =>
      (await manager.consumers.info(system.streamName, system.consumerName)).num_ack_pending;
    for (const id of ['e1', 'e2', 'e3']) await publishEvent(system, { id, messageId: `orders:${id}` });
    await deliverToNobody(system, 3);
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
      await publishEvent(system, { id: 'e4', messageId: 'orders:e4' });
      await waitFor(async () => (await readLedger(system.pool)).stored === 4, {
        timeoutMs: 40_000,
        describe: 'the deliveries that were kept back to be stored',
      });
      expect(consumer.told).toContainEqual({ type: 'given-back', firstSeq: 1, lastSeq: expect.any(Number) });
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
