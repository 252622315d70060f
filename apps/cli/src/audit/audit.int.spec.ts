/**
 * The audit against a real stream and a real ledger. These tests write the ledger by hand, in the shape that the worker
 * gives it. So the result of the audit depends on the rows alone.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { createTestSystem, type TestSystem } from '#testing';
import { resetConsumer } from '#broker';
import { dropAgedPayloads, retentionRules, SEKALI_LEDGER, writeRetentionRules } from '#store';
import { pause } from '#waiting';
import { audit, type AuditRequest, type AuditResult } from './audit.js';
import { BrokerView } from './broker-view.js';

const TOPIC = 'audited';
/** 1 to 6 are stored, 7 and 8 are duplicates of 1 and 2 (8 is a conflict), 9 is a dead letter, 10 is stored. */
const MESSAGES = 10;
const STORED_EVENTS = 7;
/** Rows and their counts are written one after the other here, and have to lie in the same minute. */
const MINUTE_MS = 60_000;
const LEFT_MS_MIN = 15_000;

let system: TestSystem;
let brokers: BrokerView;
let streamId: number;

beforeEach(async () => {
  const leftMs = MINUTE_MS - (Date.now() % MINUTE_MS);
  if (leftMs < LEFT_MS_MIN) await pause(leftMs);
  system = await createTestSystem({ replicas: 1 });
  brokers = await BrokerView.open({ urls: system.natsUrls.join(','), name: 'audit' }, 5_000);
  const key = { name: system.streamName, identity: await identity() };
  ({ streamId } = await SEKALI_LEDGER.registry.of(system.pool, key));
});
afterEach(async () => {
  await brokers.close();
  await system.dispose();
});

async function identity(): Promise<string> {
  return (await brokers.stream(system.streamName)).identity;
}

async function publish(count: number): Promise<void> {
  const client = jetstream(system.connection);
  for (let n = 0; n < count; n++) await client.publish(`${system.subjectPrefix}.${TOPIC}`, `${n}`);
}

async function acknowledge(count: number): Promise<void> {
  const consumer = await jetstream(system.connection).consumers.get(system.streamName, system.consumerName);
  for await (const message of await consumer.fetch({ max_messages: count, expires: 2_000 }))
    await message.ackAck();
}

function sql(text: string, ...values: unknown[]): Promise<unknown> {
  return system.pool.query(text, values);
}

/** When the messages were published. Those that the stream does not have get the present time. */
async function publishedAt(...sequences: number[]): Promise<string[]> {
  const found = await brokers.witness(system.streamName).publishedAt(sequences);
  return sequences.map((seq) => new Date(found.get(seq) ?? Date.now()).toISOString());
}

async function store(...sequences: number[]): Promise<void> {
  await sql(
    `WITH key AS (INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
       SELECT $1, 'id-' || seq, $2, seq, 0 FROM unnest($3::bigint[]) AS seq RETURNING *)
     INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
     SELECT stream_id, seq, topic, event_id, 'test', now(), '{}', published.at, stored_at
     FROM key JOIN unnest($3::bigint[], $4::timestamptz[]) AS published (seq, at) USING (seq)`,
    TOPIC,
    streamId,
    sequences,
    await publishedAt(...sequences),
  );
}

async function duplicate(seq: number, first: number, conflict: boolean): Promise<void> {
  await sql(
    `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
     VALUES ($1, $2, $3, $4, $1, $5, $6, $7)`,
    ...[streamId, seq, TOPIC, `id-${first}`, first, conflict, ...(await publishedAt(seq))],
  );
}

async function deadLetter(seq: number): Promise<void> {
  await sql(
    `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
     VALUES ($1, $2, $3, 's', 'not_json', 'because', '', 1, $4)`,
    ...[streamId, seq, TOPIC, ...(await publishedAt(seq))],
  );
}

/** Shard 0 has all stored rows but one, shard 1 that one. Only the sum is right. */
async function count(
  stored: number,
  duplicates: number,
  conflicts: number,
  deadLetters: number,
): Promise<void> {
  await sql(
    `INSERT INTO sekali.counter (stream_id, topic, shard, stored, duplicates, conflicts, dead_letters, redelivered)
     VALUES ($1, $2, 0, $3 - 1, $4, $5, $6, 4), ($1, $2, 1, 1, 0, 0, 0, 0)`,
    ...[streamId, TOPIC, stored, duplicates, conflicts, deadLetters],
  );
}

/** Counts events by the day of 2020 to which a test moves them. */
async function moveCounts(events = 1): Promise<void> {
  await sql(
    `UPDATE sekali.histogram SET stored = stored - $1
     WHERE kind = 'open' AND shard = (SELECT min(shard) FROM sekali.histogram WHERE kind = 'open')`,
    events,
  );
  await sql(
    `INSERT INTO sekali.histogram AS bucket VALUES ($1, 'day', '2020-02-02', 0, $2, 0, 0, 0)
     ON CONFLICT (topic, kind, beginning, shard) DO UPDATE SET stored = bucket.stored + $2`,
    TOPIC,
    events,
  );
}

/** A stream of ten messages, all settled and acknowledged. */
async function wholeSystem(): Promise<void> {
  await publish(MESSAGES);
  await store(1, 2, 3, 4, 5, 6, 10);
  await duplicate(7, 1, false);
  await duplicate(8, 2, true);
  await deadLetter(9);
  await count(7, 2, 1, 1);
  await acknowledge(MESSAGES);
}

function request(waitMs = 0): AuditRequest {
  return {
    stream: system.streamName,
    consumer: system.consumerName,
    waitMs,
    signal: new AbortController().signal,
    onProgress: () => undefined,
  };
}

function run(waitMs = 0): Promise<AuditResult> {
  return audit(brokers, system.pool, request(waitMs));
}

async function ranges(kind: 'inFlight' | 'skipped' | 'lost' | 'doubled' | 'beyond'): Promise<unknown> {
  const { findings } = await run();
  return findings.sequences[kind].ranges;
}

describe('the audit of a system without faults', () => {
  it('finds the system whole', async () => {
    await wholeSystem();
    const { judgement, findings } = await run();
    expect(judgement).toEqual({ verdict: 'whole', violations: [], doubts: [] });
    expect(findings.ledger.totals).toEqual({ stored: 7, duplicates: 2, conflicts: 1, deadLetters: 1 });
    expect(findings.sequences.settled).toBe(MESSAGES);
  });

  it('finds an empty system whole', async () => {
    expect((await run()).judgement.verdict).toBe('whole');
  });

  it('counts messages that are not acknowledged as in flight', async () => {
    await wholeSystem();
    await publish(3);
    const { judgement, findings } = await run();
    expect(judgement.verdict).toBe('whole');
    expect(findings.sequences.inFlight.ranges).toEqual([{ first: 11, last: 13 }]);
    expect((await run(300)).judgement.verdict).toBe('unknown');
  });

  it('joins the rows of an incarnation with those of the one it is based on, and counts what the stream has lost', async () => {
    await wholeSystem();
    await sql(`INSERT INTO sekali.stream (name, created, revision, base_stream_id, base_seq)
      SELECT name, identity, 2, stream_id, 6 FROM sekali.stream`);
    const behind = [`'${TOPIC}'`, `'again-' || seq`].join(', ');
    await sql(`INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
      SELECT ${behind}, 2, seq, 0 FROM generate_series(7, 10) AS seq`);
    await sql(
      `INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
       SELECT 2, seq, topic, event_id, 'test', now(), '{}', published.at, stored_at
       FROM sekali.event_key JOIN unnest($1::bigint[], $2::timestamptz[]) AS published (seq, at) USING (seq) WHERE stream_id = 2`,
      [7, 8, 9, 10],
      await publishedAt(7, 8, 9, 10),
    );
    await sql(`INSERT INTO sekali.counter VALUES (2, $1, 0, 4, 0, 0, 0, 0)`, TOPIC);
    const { judgement, findings } = await run();
    expect(judgement).toEqual({ verdict: 'whole', violations: [], doubts: [] });
    expect(findings.ledger.totals).toEqual({ stored: 10, duplicates: 0, conflicts: 0, deadLetters: 0 });
    expect(findings.past).toMatchObject([
      { lostBehind: 6, totals: { stored: 1, duplicates: 2, conflicts: 1, deadLetters: 1 } },
    ]);
  });

  it('does not miss messages that left the stream after they were settled', async () => {
    await wholeSystem();
    const manager = await jetstreamManager(system.connection);
    await manager.streams.deleteMessage(system.streamName, 4);
    await manager.streams.purge(system.streamName, { seq: 3 });
    expect((await run()).judgement.verdict).toBe('whole');
  });

  it('accepts that the events of a dropped day are gone', async () => {
    await wholeSystem();
    await sql(`UPDATE sekali.event_key SET stored_at = '2020-02-02 12:00Z' WHERE seq = 3`);
    await sql(`DELETE FROM sekali.event WHERE seq = 3`);
    await moveCounts();
    expect((await run()).judgement.verdict).toBe('whole');
    // The day exists again, because the default partition has another event of that day.
    await sql(`UPDATE sekali.event_key SET stored_at = '2020-02-02 13:00Z' WHERE seq = 4`);
    await sql(`UPDATE sekali.event SET stored_at = '2020-02-02 13:00Z' WHERE seq = 4`);
    await moveCounts();
    expect((await run()).judgement.violations).toEqual(['1 key without an event, although the day is there']);
  });
});

describe('the audit of a system that drops payloads by age', () => {
  it('finds it whole, and compares what was dropped with its record', async () => {
    await wholeSystem();
    for (const table of ['event', 'event_key'])
      await sql(`UPDATE sekali.${table} SET stored_at = '2020-02-02 12:00Z' WHERE seq <= 3`);
    await moveCounts(3);
    await writeRetentionRules(system.pool, retentionRules('>=30d'));
    expect(await dropAgedPayloads(system.pool, { onStep: () => undefined })).toBe(true);
    const { judgement, findings } = await run();
    expect(judgement).toEqual({ verdict: 'whole', violations: [], doubts: [] });
    expect(findings.dropped).toMatchObject({ rows: 3, faults: [] });
    await sql(`UPDATE sekali.event_key SET stored_at = '2020-02-02 13:00Z' WHERE seq = 4`);
    await sql(`DELETE FROM sekali.event WHERE seq = 4`);
    await moveCounts();
    expect((await run()).judgement.violations).toEqual([
      `1 day of a topic that lack other events than retention has noted, the first ${TOPIC} on 2020-02-02: 4 are missing and 3 are noted`,
    ]);
  });

  it('still finds that the brokers have other messages', async () => {
    await wholeSystem();
    for (const table of ['event', 'event_key'])
      await sql(`UPDATE sekali.${table} SET stored_at = '2020-02-02 12:00Z'`);
    await moveCounts(STORED_EVENTS);
    await writeRetentionRules(system.pool, retentionRules('>=30d'));
    await dropAgedPayloads(system.pool, { onStep: () => undefined });
    expect((await run()).judgement.verdict).toBe('whole');
    await sql(`UPDATE sekali.event_sample SET published_at = published_at - interval '15 s' WHERE seq = 10`);
    expect((await run()).findings.foreign.ranges).toEqual([{ first: 10, last: 10 }]);
  });
});

describe('the audit finds', () => {
  it('a row deleted by hand', async () => {
    await wholeSystem();
    await sql(`DELETE FROM sekali.dead_letter WHERE seq = 9`);
    await sql(`UPDATE sekali.counter SET dead_letters = 0`);
    expect((await run()).judgement).toMatchObject({
      verdict: 'violated',
      violations: ['1 sequence acknowledged but not in the ledger'],
    });
    expect(await ranges('skipped')).toEqual([{ first: 9, last: 9 }]);
  });

  it('a counter changed by hand', async () => {
    await wholeSystem();
    await sql(`UPDATE sekali.counter SET stored = stored + 1 WHERE shard = 1`);
    const { judgement, findings } = await run();
    expect(judgement.violations).toEqual([`the counters of topic ${TOPIC} do not equal its rows`]);
    expect(findings.ledger.counters).toMatchObject([{ counted: { stored: 8 }, rows: { stored: 7 } }]);
  });

  it('a counter of a topic that has no rows', async () => {
    await wholeSystem();
    await sql(`INSERT INTO sekali.counter SELECT stream_id, 'ghost', 0, 1, 0, 0, 0, 0 FROM sekali.stream`);
    expect((await run()).judgement.violations).toEqual(['the counters of topic ghost do not equal its rows']);
  });

  it('a sequence that was acknowledged without being settled', async () => {
    await publish(3);
    await store(1, 3);
    await count(2, 0, 0, 0);
    await acknowledge(3);
    expect(await ranges('skipped')).toEqual([{ first: 2, last: 2 }]);
  });

  it('a sequence in two tables, together with one that is missing', async () => {
    await wholeSystem();
    await deadLetter(5);
    await sql(`DELETE FROM sekali.dead_letter WHERE seq = 9`);
    const { judgement, findings } = await run();
    expect(judgement.violations).toHaveLength(2);
    expect(findings.sequences.doubled.ranges).toEqual([
      { first: 5, last: 5, note: 'dead_letter and event_key' },
    ]);
    expect(findings.sequences.skipped.ranges).toEqual([{ first: 9, last: 9 }]);
  });

  it('a message that left the stream before it was stored', async () => {
    await publish(4);
    await store(1, 4);
    await count(2, 0, 0, 0);
    const manager = await jetstreamManager(system.connection);
    await manager.streams.deleteMessage(system.streamName, 3);
    await manager.streams.purge(system.streamName, { seq: 3 });
    expect(await ranges('lost')).toEqual([{ first: 2, last: 3 }]);
  });

  it('rows of sequences that the stream never had', async () => {
    await publish(1);
    await store(1, 7);
    await count(2, 0, 0, 0);
    expect(await ranges('beyond')).toEqual([{ first: 7, last: 7 }]);
  });

  it.each([
    ['an event without its key', `DELETE FROM sekali.event_key WHERE seq = 6`, 'event_without_key', 6],
    ['a key without its event', `DELETE FROM sekali.event WHERE seq = 6`, 'key_without_event', 6],
    [
      'an event with another id',
      `UPDATE sekali.event SET event_id = 'x' WHERE seq = 6`,
      'event_differs_from_key',
      6,
    ],
    ['a wrong first', `UPDATE sekali.duplicate SET first_seq = 3 WHERE seq = 7`, 'duplicate_of_another', 7],
    ['no first', `UPDATE sekali.duplicate SET event_id = 'x' WHERE seq = 7`, 'duplicate_without_key', 7],
  ] as const)('%s', async (_name, harm, fault, seq) => {
    await wholeSystem();
    await sql(harm);
    const { judgement, findings } = await run();
    expect(judgement.verdict).toBe('violated');
    expect(findings.ledger.rows.get(fault)?.ranges).toEqual([{ first: seq, last: seq }]);
  });

  it('an id that two generations of keys have', async () => {
    await wholeSystem();
    await sql(`SELECT sekali.change_key_generation('store', 0)`);
    expect((await run()).judgement.verdict).toBe('whole');
    await sql(
      `WITH gone AS (DELETE FROM sekali.event_key WHERE seq = 5 RETURNING *)
       INSERT INTO sekali.event_key_g1 SELECT topic, 'id-6', stream_id, seq, digest, stored_at FROM gone`,
    );
    await sql(`UPDATE sekali.event SET event_id = 'id-6' WHERE seq = 5`);
    expect((await run()).judgement.violations).toEqual([
      '1 id in two generations of keys, the first audited id-6',
    ]);
  });

  it('an error in the ledger of an earlier stream of the same name', async () => {
    await sql(`INSERT INTO sekali.stream (name, created) VALUES ($1, 'earlier')`, system.streamName);
    await sql(
      `INSERT INTO sekali.counter SELECT stream_id, 'a', 0, 1, 0, 0, 0, 0 FROM sekali.stream WHERE identity = 'earlier'`,
    );
    const { judgement } = await run();
    expect(judgement.violations).toEqual([
      `the counters of topic a (stream ${system.streamName}, known as earlier) do not equal its rows`,
    ]);
  });

  it('a message in the stream that differs from the one in the ledger', async () => {
    await wholeSystem();
    await sql(`UPDATE sekali.event SET published_at = published_at - interval '15 s' WHERE seq IN (5, 6)`);
    await sql(`UPDATE sekali.dead_letter SET published_at = published_at - interval '15 s'`);
    const { judgement, findings } = await run();
    expect(judgement.violations).toEqual([
      '3 sequences with another message in the stream than in the ledger',
    ]);
    expect(findings.foreign.ranges).toEqual([
      { first: 5, last: 6 },
      { first: 9, last: 9 },
    ]);
  });

  it('a consumer that is ahead of the stream', async () => {
    await wholeSystem();
    await resetConsumer(system.connection, { name: system.consumerName, stream: system.streamName }, 13);
    expect((await run()).judgement.violations).toEqual([
      'the consumer is 2 sequences ahead of the stream, and would not receive the next messages',
    ]);
  });

  it('rows under a number that belongs to no stream', async () => {
    await sql(`INSERT INTO sekali.counter VALUES (4711, 'a', 0, 0, 0, 0, 0, 0)`);
    expect((await run()).judgement.violations).toEqual([
      'rows of stream number 4711, which belongs to no stream',
    ]);
  });
});

describe('the audit has the verdict unknown', () => {
  it('without a consumer, because unsettled messages may never be stored', async () => {
    await publish(2);
    const manager = await jetstreamManager(system.connection);
    await manager.consumers.delete(system.streamName, system.consumerName);
    expect((await run()).judgement.verdict).toBe('unknown');
  });

  it('without a schema, or without the stream', async () => {
    await sql('DROP SCHEMA sekali CASCADE');
    await expect(run()).rejects.toMatchObject({ exitCode: 2, message: expect.stringContaining('setup') });
    const manager = await jetstreamManager(system.connection);
    await manager.streams.delete(system.streamName);
    await expect(brokers.stream(system.streamName)).rejects.toMatchObject({ exitCode: 2 });
  });
});
