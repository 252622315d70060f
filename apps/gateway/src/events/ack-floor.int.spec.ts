/** A reader that follows while the store lacks what it had: it waits for that, and then gets all of it. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { readWorkerSettings } from '#config';
import { streamIdentity, type StreamInfo } from '#broker';
import { eventPage, FIRST_POSITION, newestPosition, SEKALI_LEDGER, type EventPosition } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import type { BrokerLink } from '../broker-link.js';
import { ackFloorOf } from './ack-floor.js';

const STORE = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 'a', seq::text, $1, seq, 0 FROM unnest($2::bigint[]) seq
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at)
SELECT $1, seq, 'a', seq::text, 's', '2026-11-22T10:00:00Z', '{}', now() FROM unnest($2::bigint[]) seq`;

let system: TestSystem;
beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});
afterAll(async () => {
  await system.dispose();
});

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

describe('the ack floor for readers', () => {
  it('passes no message that is in the stream and has no row, and passes those that have left it', async () => {
    const { SEKALI_STREAM: stream, SEKALI_CONSUMER: consumer } = readWorkerSettings(system.environment);
    const client = jetstream(system.connection);
    const manager = await jetstreamManager(system.connection);
    for (const seq of range(1, 40)) await client.publish(`${system.subjectPrefix}.a`, String(seq));
    const messages = await (await client.consumers.get(stream, consumer)).fetch({ max_messages: 40 });
    let acknowledged = 0;
    for await (const message of messages) {
      await message.ackAck();
      if (++acknowledged === 40) break;
    }
    const link: Pick<BrokerLink, 'consumer' | 'stream'> = {
      consumer: () => manager.consumers.info(stream, consumer),
      stream: () => manager.streams.info(stream),
    };
    expect((await link.consumer())?.ack_floor.stream_seq).toBe(40);
    const info = (await link.stream()) as StreamInfo;
    const key = { name: stream, identity: streamIdentity(info) };
    const { streamId } = await SEKALI_LEDGER.registry.of(system.pool, key);
    const store = (seqs: number[]) => system.pool.query(STORE, [streamId, seqs]);
    const ackFloor = ackFloorOf(link);
    const read: number[] = [];
    let at: EventPosition = FIRST_POSITION;
    const follow = async (): Promise<void> => {
      for (let pages = 0; pages < 20; pages++) {
        const page = await eventPage(system.pool, {}, at, 5, ackFloor);
        read.push(...page.events.map(({ seq }) => seq));
        at = page.end;
        if (page.next === undefined || page.isWaiting === true) return;
      }
    };
    // The first five have left the stream, and never had a row.
    await manager.streams.purge(stream, { seq: 6 });
    // The rows of 16 to 25 are lost, and new events follow.
    await store([...range(6, 15), ...range(26, 40)]);
    await follow();
    expect(read).toEqual(range(6, 15));
    expect(await newestPosition(system.pool, {}, ackFloor)).toMatchObject({ seq: 15 });
    await store(range(16, 25));
    await follow();
    expect(read).toEqual(range(6, 40));
  });
});
