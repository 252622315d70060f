/** A sequence that means another message than the inbox knows never ends as already processed. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { createTestSystem, type TestSystem } from '#testing';
import { BatchProcessor } from '../batch-processor.js';
import type { Delivery, Message } from '../delivery.js';
import { OutageGate } from '../outage-gate.js';
import { createInbox } from './create-inbox.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import { Inbox } from './inbox.js';

const BEFORE = new Date('2026-11-22T10:00:00.123Z');
const AFTERWARDS = new Date('2026-11-22T10:00:15.456Z');

let system: TestSystem;
let inbox: Inbox<string>;
/** Beyond the stream ids that the database assigns. */
let streams = 100;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const tables = await createInbox(system.pool, { consumer: 'test' });
  inbox = new Inbox(system.pool, tables, { apply: () => Promise.resolve() });
});

afterAll(async () => {
  await system.dispose();
});

function delivery(seq: number, publishedAt: Date, deliveryCount = 1): Delivery {
  const nothing = (): undefined => undefined;
  return {
    ...{ seq, subject: 'events.t', data: new Uint8Array(), deliveryCount, publishedAt },
    ...{
      header: nothing,
      headersText: nothing,
      headerBytes: nothing,
      ack: nothing,
      nak: nothing,
      term: nothing,
      working: nothing,
    },
  };
}

function message(seq: number, eventId: string, publishedAt = BEFORE, deliveryCount = 1): Message<string> {
  return { delivery: delivery(seq, publishedAt, deliveryCount), topic: 't', eventId, digest: 0n, event: '' };
}

function store(streamId: number, ...messages: Message<string>[]): Promise<unknown> {
  return inbox.process(streamId, { messages, poison: [] });
}

function giveUp(streamId: number, seq: number, publishedAt = BEFORE): Promise<unknown> {
  const poison = { delivery: delivery(seq, publishedAt), topic: 't', reason: 'not_json', detail: 'because' };
  return inbox.process(streamId, { messages: [], poison: [poison] });
}

describe('a sequence that is known as another message', () => {
  it('is refused when a dead letter has it', async () => {
    const streamId = ++streams;
    await giveUp(streamId, 1);
    await expect(store(streamId, message(1, 'dead-new', AFTERWARDS))).rejects.toThrow(ForeignSequenceError);
    await expect(giveUp(streamId, 1, AFTERWARDS)).rejects.toThrow(ForeignSequenceError);
    // A redelivery of the same message is already processed.
    expect(await giveUp(streamId, 1)).toEqual(new Map([[1, { kind: 'already-processed' }]]));
  });

  it('is refused when a duplicate has it', async () => {
    const streamId = ++streams;
    await store(streamId, message(1, 'dup'), message(2, 'dup'));
    await expect(store(streamId, message(2, 'dup', AFTERWARDS))).rejects.toThrow(ForeignSequenceError);
    await expect(giveUp(streamId, 2, AFTERWARDS)).rejects.toThrow(ForeignSequenceError);
    expect(await store(streamId, message(2, 'dup'))).toEqual(new Map([[2, { kind: 'already-processed' }]]));
  });

  it('is refused when a stored event has it, however often it comes, and its attempts are cleared', async () => {
    const streamId = ++streams;
    await store(streamId, message(1, 'event-old'));
    const processor = new BatchProcessor<string>(
      inbox,
      (given) => ({
        ok: true,
        message: message(given.seq, 'event-new', given.publishedAt, given.deliveryCount),
      }),
      new OutageGate(() => undefined),
      { attemptsMax: 3, retryDelayMs: 10 },
      () => undefined,
    );
    for (let count = 4; count < 14; count++) {
      const again = processor.processSuspect(streamId, delivery(1, AFTERWARDS, count));
      await expect(again).rejects.toThrow(ForeignSequenceError);
    }
    const { rows } = await system.pool.query(
      'SELECT started, finished FROM inbox.test_attempt WHERE stream_id = $1',
      [streamId],
    );
    // A remaining row would make it a suspect.
    expect(rows).toEqual([]);
  });
});

describe('a superseded incarnation', () => {
  it('accepts messages up to the start of the next one, and none behind it', async () => {
    const { rows } = await system.pool.query<{ stream_id: number }>(
      `INSERT INTO inbox.test_stream (name, identity) VALUES ('EVENTS', 'x') RETURNING stream_id`,
    );
    const streamId = rows[0]?.stream_id ?? NaN;
    await store(streamId, message(1, 'one'));
    await system.pool.query(
      `INSERT INTO inbox.test_stream (name, identity, revision, base_stream_id, base_seq) VALUES ('EVENTS', 'x', 2, $1, 2)`,
      [streamId],
    );
    await store(streamId, message(2, 'two'));
    await expect(store(streamId, message(3, 'three'))).rejects.toThrow('superseded');
    const key = await system.pool.query(
      'SELECT seq::int FROM inbox.test_key WHERE stream_id = $1 ORDER BY 1',
      [streamId],
    );
    expect(key.rows).toEqual([{ seq: 1 }, { seq: 2 }]);
  });
});
