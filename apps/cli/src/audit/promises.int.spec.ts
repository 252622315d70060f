/** The audit finds what the brokers acknowledged and do not have, although their stream looks whole. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { eventText } from '#contracts';
import { PromiseMarks, SEKALI_LEDGER } from '#store';
import { createTestSystem, type TestSystem } from '#testing';
import { audit, type AuditResult } from './audit.js';
import { BrokerView } from './broker-view.js';

const TOPIC = 'promised';

let system: TestSystem;
let brokers: BrokerView;
let streamId: number;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  brokers = await BrokerView.open({ urls: system.natsUrls.join(','), name: 'audit' }, 5_000);
  const { identity } = await brokers.stream(system.streamName);
  ({ streamId } = await SEKALI_LEDGER.registry.of(system.pool, { name: system.streamName, identity }));
});
afterEach(async () => {
  await brokers.close();
  await system.dispose();
});

/** Publishes an event, and marks it as a gateway does. */
async function publishMarked(eventId: string): Promise<number> {
  const body = eventText({
    topic: TOPIC,
    eventId,
    timestamp: '2026-11-22T10:00:00Z',
    source: 's',
    payload: '{}',
  });
  const { seq } = await jetstream(system.connection).publish(`${system.subjectPrefix}.${TOPIC}`, body);
  await mark(eventId, seq);
  return seq;
}

async function mark(eventId: string, seq: number): Promise<void> {
  const marks = new PromiseMarks(system.pool, { stream: system.streamName });
  marks.note({ topic: TOPIC, eventId }, seq);
  await marks.flush();
  marks.stop();
}

/** Stores an event with its message's time of publication, by which the audit distinguishes messages. */
async function store(eventId: string, seq: number): Promise<void> {
  const publishedAt = (await brokers.witness(system.streamName).publishedAt([seq])).get(seq) ?? NaN;
  await system.pool.query(
    `WITH key AS (INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
       VALUES ($1, $2, $3, $4, 0) RETURNING *),
     counted AS (INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
       VALUES ($3, $1, $4, 1, 0, 0, 0, 0))
     INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
     SELECT stream_id, seq, topic, event_id, 'test', now(), '{}', $5, stored_at FROM key`,
    [TOPIC, eventId, streamId, seq, new Date(publishedAt).toISOString()],
  );
}

async function acknowledge(count: number): Promise<void> {
  const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
  for await (const message of await consumer.fetch({ max_messages: count, expires: 2_000 }))
    await message.ackAck();
}

function run(): Promise<AuditResult> {
  return audit(brokers, system.pool, {
    stream: system.streamName,
    consumer: system.consumerName,
    waitMs: 0,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  });
}

describe('a promise that the brokers gave to a gateway', () => {
  it('is kept when the event is stored, or still in the stream', async () => {
    await store('1', await publishMarked('1'));
    await acknowledge(1);
    await publishMarked('2');
    const { judgement, findings } = await run();
    expect(judgement).toMatchObject({ verdict: 'whole', violations: [] });
    expect(findings.promises).toMatchObject({ marks: 2, uncompared: 0 });
  });

  it('is broken when the stream ends before it', async () => {
    await store('1', await publishMarked('1'));
    await acknowledge(1);
    await mark('lost', 2);
    const { judgement, findings } = await run();
    expect(findings.sequences.inFlight.count).toBe(0);
    expect(judgement.violations).toEqual(['1 sequence acknowledged to a producer, but not in the stream']);
    expect(findings.promises.broken.ranges).toEqual([{ first: 2, last: 2 }]);
  });

  it('is broken when another event has its sequence', async () => {
    await store('other', await publishMarked('other'));
    await acknowledge(1);
    await mark('lost', 1);
    expect((await run()).judgement.violations).toEqual([
      '1 sequence acknowledged to a producer, but not in the stream',
    ]);
  });

  it('is broken when the message was deleted before it was stored', async () => {
    const seq = await publishMarked('gone');
    const manager = await jetstreamManager(system.connection);
    await manager.streams.deleteMessage(system.streamName, seq);
    expect((await run()).findings.promises.broken.ranges).toEqual([{ first: 1, last: 1 }]);
  });

  it('is kept when the event is a dead letter', async () => {
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at)
       VALUES ($1, 1, $2, 'dead', 's', 'effect_failed', 'because', '', 1, now())`,
      [streamId, TOPIC],
    );
    await mark('dead', 99);
    expect((await run()).findings.promises.broken.count).toBe(0);
  });
});
