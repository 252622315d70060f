/** An event is only called a `duplicate` when it is in the stream, or was stored. */
import { describe, expect, it } from '@jest/globals';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { eventText } from '#contracts';
import { areStored, givenUpAmong, givenUpFrom } from '#store';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import { type EventLedger, Repeats } from './duplicate-check.js';
import type { Publication } from './publication.js';
import { Publisher } from './publisher.js';

function event(eventId: string): Publication {
  const members = { timestamp: '2026-11-22T10:00:00Z', source: 'test', payload: '{}' };
  return { topic: 'orders', eventId, body: eventText({ topic: 'orders', eventId, ...members }) };
}

function ledgerOf(system: TestSystem): EventLedger {
  return {
    givenUpFrom: (seq, limit) => givenUpFrom(system.pool, system.streamName, seq, limit),
    givenUpAmong: (seqs) => givenUpAmong(system.pool, system.streamName, seqs),
    stored: (events) => areStored(system.pool, events),
  };
}

function publisherOf(system: TestSystem, ledger?: EventLedger): Publisher {
  return new Publisher(system.connection, {
    stream: system.streamName,
    subjectPrefix: system.subjectPrefix,
    inFlightMax: 64,
    waitingMax: 1_000,
    budgetMs: 18_000,
    ledger,
  });
}

async function managerOf(system: TestSystem): Promise<JetStreamManager> {
  return jetstreamManager(system.connection, { checkAPI: false });
}

async function messagesIn(system: TestSystem): Promise<number> {
  return (await (await managerOf(system)).streams.info(system.streamName)).state.messages;
}

async function streamIdOf(system: TestSystem): Promise<number> {
  const { rows } = await system.pool.query<{ stream_id: number }>(
    `INSERT INTO sekali.stream (name, created) VALUES ($1, 'now')
     ON CONFLICT (name, created, revision) DO UPDATE SET seen_at = now() RETURNING stream_id`,
    [system.streamName],
  );
  return rows[0]?.stream_id ?? NaN;
}

async function giveUp(system: TestSystem, eventId: string, seq: number, topic = 'orders'): Promise<void> {
  await snapshotEnds();
  await system.pool.query(
    `INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at)
     VALUES ($1, $2, $4, $3, 'x', 'effect_failed', '', '', 1, now())`,
    [await streamIdOf(system), seq, eventId, topic],
  );
}

async function store(system: TestSystem, eventId: string, seq: number): Promise<void> {
  await system.pool.query(
    `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('orders', $1, $2, $3, 0)`,
    [eventId, await streamIdOf(system), seq],
  );
}

/** Two publishers: one published the event itself, and one knows of it only from the brokers. */
async function bothSee(system: TestSystem, ledger?: EventLedger): Promise<[Publisher, Publisher]> {
  const [own, other] = [publisherOf(system, ledger), publisherOf(system, ledger)];
  expect(await own.publish(event('a'))).toEqual({ status: 'accepted', seq: 1 });
  expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 1 });
  expect(await other.publish(event('a'))).toEqual({ status: 'duplicate', seq: 1 });
  return [own, other];
}

/** Waits until every snapshot of a publisher has expired. */
async function snapshotEnds(): Promise<void> {
  const sinceMs = performance.now();
  await waitFor(() => performance.now() - sinceMs > 150, {
    timeoutMs: 10_000,
    describe: 'what was seen is old',
  });
}

describe('a repeat of an event', () => {
  it.each(['purge', 'deleteMessage'] as const)('is published again after %s, once', async (way) => {
    const system = await createTestSystem();
    const [own, other] = await bothSee(system, ledgerOf(system));
    const { streams } = await managerOf(system);
    await snapshotEnds();
    await (way === 'purge' ? streams.purge(system.streamName) : streams.deleteMessage(system.streamName, 1));
    expect(await own.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
    expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 2 });
    expect(await other.publish(event('a'))).toEqual({ status: 'duplicate', seq: 2 });
    expect(await messagesIn(system)).toBe(1);
  });

  it('is published again by a gateway that had not published it, after a purge', async () => {
    const system = await createTestSystem();
    const [, other] = await bothSee(system, ledgerOf(system));
    await (await managerOf(system)).streams.purge(system.streamName);
    await snapshotEnds();
    expect(await other.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
  });

  it('is published again by a producer without a ledger that finds its message gone', async () => {
    const system = await createTestSystem();
    const [, other] = await bothSee(system);
    await (await managerOf(system)).streams.purge(system.streamName);
    expect(await other.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
  });

  it('is a duplicate when its message has left the stream and it was stored', async () => {
    const system = await createTestSystem();
    const [own, other] = await bothSee(system, ledgerOf(system));
    await store(system, 'a', 1);
    await (await managerOf(system)).streams.purge(system.streamName);
    await snapshotEnds();
    expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 1 });
    expect(await other.publish(event('a'))).toEqual({ status: 'duplicate', seq: 1 });
    expect(await messagesIn(system)).toBe(0);
  });

  it('is published again when it became a dead letter, once for each time', async () => {
    const system = await createTestSystem();
    const [own, other] = await bothSee(system, ledgerOf(system));
    await giveUp(system, 'a', 1);
    expect(await other.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
    expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 2 });
    await giveUp(system, 'a', 2);
    expect(await own.publish(event('a'))).toEqual({ status: 'accepted', seq: 3 });
    expect(await other.publish(event('a'))).toEqual({ status: 'duplicate', seq: 3 });
    expect(await messagesIn(system)).toBe(3);
  });

  it('is published again when it became a dead letter that is counted under no topic', async () => {
    const system = await createTestSystem();
    const [own, other] = await bothSee(system, ledgerOf(system));
    await giveUp(system, 'a', 1, '(too-many)');
    expect(await other.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
    expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 2 });
  });

  it('is not mistaken for a dead letter because of another event, or another stream, under its sequence', async () => {
    const system = await createTestSystem();
    const [own] = await bothSee(system, ledgerOf(system));
    await giveUp(system, 'b', 1);
    expect(await own.publish(event('a'))).toEqual({ status: 'duplicate', seq: 1 });
  });

  it('does not fill the stream when it becomes a dead letter each time it is sent', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, ledgerOf(system));
    for (let n = 0; n < 12; n++) {
      const outcome = await publisher.publish(event('a'));
      if (outcome.status === 'accepted') await giveUp(system, 'a', outcome.seq);
    }
    expect(await messagesIn(system)).toBe(4);
  });

  it('is a duplicate of the stream’s message while the database does not answer, and is published again without one', async () => {
    const system = await createTestSystem();
    const asked = { count: 0 };
    const down = (): Promise<never> => {
      asked.count += 1;
      return Promise.reject(new Error('no database'));
    };
    const ledger = { givenUpFrom: down, givenUpAmong: down, stored: down };
    const [own, other] = await bothSee(system, ledger);
    // The ledger is not asked for a while after the first failure.
    expect(asked.count).toBe(2);
    await (await managerOf(system)).streams.purge(system.streamName);
    await snapshotEnds();
    expect(await own.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
    expect(await other.publish(event('a'))).toEqual({ status: 'duplicate', seq: 2 });
  });

  it('shares its inspection with other repeats, however many they are', async () => {
    const system = await createTestSystem();
    const ledger = ledgerOf(system);
    let asked = 0;
    const givenUpFrom: EventLedger['givenUpFrom'] = (seq, limit) => {
      asked += 1;
      return ledger.givenUpFrom(seq, limit);
    };
    const publisher = publisherOf(system, { ...ledger, givenUpFrom });
    const events = Array.from({ length: 1_000 }, (_, n) => event(String(n)));
    await publisher.publishAll(events);
    const beganMs = performance.now();
    const answers = await publisher.publishAll(events);
    expect(answers.every(({ status }) => status === 'duplicate')).toBe(true);
    expect(asked).toBeLessThanOrEqual(3 + (performance.now() - beganMs) / 50);
  });

  it('is recognised as a dead letter among more of them than one query returns', async () => {
    const system = await createTestSystem();
    const [own] = await bothSee(system, ledgerOf(system));
    await giveUp(system, 'a', 1);
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at)
       SELECT $1, seq, 'orders', 'other', 'x', 'effect_failed', '', '', 1, now() FROM generate_series(2, 5001) AS seq`,
      [await streamIdOf(system)],
    );
    expect(await own.publish(event('a'))).toEqual({ status: 'accepted', seq: 2 });
  });
});

describe('an event that becomes a dead letter again and again', () => {
  it('is sent three times at once, then once a minute, and each repeat of that is free', () => {
    const repeats = new Repeats();
    const at = (seq: number, nowMs: number): boolean =>
      repeats.allow({ topic: 't', eventId: 'e', seq }, nowMs);
    expect([at(1, 0), at(2, 0), at(3, 0), at(4, 0)]).toEqual([true, true, true, false]);
    expect([at(3, 1_000), at(4, 59_999), at(4, 60_000), at(5, 60_001)]).toEqual([true, false, true, false]);
  });
});
