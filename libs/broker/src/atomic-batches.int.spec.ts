/** Events in an atomic batch: each is there once, under the reported sequence, whatever becomes of the batch. */
import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { eventText, MESSAGE_ID_HEADER } from '#contracts';
import { createTestSystem, type TestSystem } from '#testing';
import type { PublishOutcome } from '#idempotent-consumer/jetstream';
import type { Publication } from './publication.js';
import { Publisher, type PublisherOptions } from './publisher.js';

const EVENT = { topic: 'orders', timestamp: '2026-11-22T10:00:00Z', source: 'test', payload: '{}' };

function eventsOf(ids: readonly string[]): Publication[] {
  return ids.map((eventId) => ({ topic: EVENT.topic, eventId, body: eventText({ ...EVENT, eventId }) }));
}

const numbered = (count: number, prefix = 'e'): string[] =>
  Array.from({ length: count }, (_, n) => `${prefix}${n}`);

function publisherOf(system: TestSystem, options: Partial<PublisherOptions> = {}): Publisher {
  return new Publisher(system.connection, {
    stream: system.streamName,
    subjectPrefix: system.subjectPrefix,
    inFlightMax: 512,
    waitingMax: 5_000,
    budgetMs: 18_000,
    ...options,
  });
}

/** What the stream holds: the message id of each sequence, and whether the message was sent in a batch. */
async function stored(system: TestSystem): Promise<{ ids: Map<number, string>; together: number }> {
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  const { state } = await manager.streams.info(system.streamName);
  const ids = new Map<number, string>();
  let together = 0;
  for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(system.streamName, { seq });
    ids.set(seq, message?.header.get(MESSAGE_ID_HEADER) ?? '');
    if (message?.header.get('Nats-Batch-Id')) together += 1;
  }
  return { ids, together };
}

function expectAt(
  ids: ReadonlyMap<number, string>,
  events: readonly Publication[],
  answers: readonly PublishOutcome[],
): void {
  const where = answers.map((outcome) =>
    outcome.status === 'unavailable' ? undefined : ids.get(outcome.seq),
  );
  expect(where).toEqual(events.map(({ topic, eventId }) => `${topic}:${eventId}`));
}

describe('events that are published at the same moment', () => {
  it('are sent as batches, and each has its reported sequence', async () => {
    const system = await createTestSystem();
    const events = eventsOf(numbered(700));
    const answers = await publisherOf(system).publishAll(events);
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set(['accepted']));
    const { ids, together } = await stored(system);
    expect(ids.size).toBe(700);
    expectAt(ids, events, answers);
    expect(together).toBe(700);
  });

  it('are shared by publishes of one event each', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system);
    const events = eventsOf(numbered(60));
    const answers = await Promise.all(events.map((event) => publisher.publish(event)));
    const { ids, together } = await stored(system);
    expectAt(ids, events, answers);
    expect(together).toBeGreaterThan(40);
  });

  it('have an outcome each when other publishers have published some of them', async () => {
    const system = await createTestSystem();
    const theirs = eventsOf(['e3', 'e150', 'e299']);
    const before = await publisherOf(system).publishAll(theirs);
    const events = eventsOf(numbered(300));
    const answers = await publisherOf(system).publishAll(events);
    expect(answers.filter(({ status }) => status === 'duplicate')).toHaveLength(3);
    expect(answers.filter(({ status }) => status === 'accepted')).toHaveLength(297);
    expect(answers[150]).toEqual({ ...before[1], status: 'duplicate' });
    const { ids } = await stored(system);
    expect(ids.size).toBe(300);
    expectAt(ids, events, answers);
  });

  it('are batched without those that this process has published itself', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system);
    await publisher.publishAll(eventsOf(numbered(20)));
    const answers = await publisher.publishAll(eventsOf([...numbered(20), ...numbered(80, 'new')]));
    expect(answers.filter(({ status }) => status === 'duplicate')).toHaveLength(20);
    const { ids, together } = await stored(system);
    expect(ids.size).toBe(100);
    expect(together).toBe(100);
  });

  it('become one message where two publishers send the same at the same moment', async () => {
    const system = await createTestSystem();
    const events = eventsOf(numbered(200));
    const answers = await Promise.all([
      publisherOf(system).publishAll(events),
      publisherOf(system).publishAll(events),
    ]);
    const { ids } = await stored(system);
    expect(ids.size).toBe(200);
    for (const outcomes of answers) expectAt(ids, events, outcomes);
    const accepted = answers.flat().filter(({ status }) => status === 'accepted');
    expect(accepted).toHaveLength(200);
  });

  it('go one by one where the stream or the publisher does not allow batches', async () => {
    const system = await createTestSystem();
    const one = await publisherOf(system, { atomicBatches: false }).publishAll(eventsOf(numbered(50)));
    const manager = await jetstreamManager(system.connection, { checkAPI: false });
    await manager.streams.update(system.streamName, { allow_atomic: false });
    const events = eventsOf(numbered(50, 'more'));
    const other = await publisherOf(system).publishAll(events);
    expect([...one, ...other].every(({ status }) => status === 'accepted')).toBe(true);
    const { ids, together } = await stored(system);
    expect(ids.size).toBe(100);
    expect(together).toBe(0);
    expectAt(ids, events, other);
  });

  it('publish an event that is too large alone, and have it refused alone', async () => {
    const system = await createTestSystem();
    const large = { topic: 'orders', eventId: 'large', body: 'x'.repeat(1_100_000) };
    const answers = await publisherOf(system).publishAll([...eventsOf(numbered(5)), large]);
    expect(answers.map(({ status }) => status)).toEqual([
      ...numbered(5).map(() => 'accepted'),
      'unavailable',
    ]);
    expect(answers[5]).toMatchObject({ reason: 'too_large' });
    expect((await stored(system)).ids.size).toBe(5);
  });

  it('are refused as busy, all of them, when their bodies are too much to hold', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, { heldBytesMax: 3_000 });
    const [first, second] = await Promise.all([
      publisher.publishAll(eventsOf(numbered(20))),
      publisher.publishAll(eventsOf(numbered(20, 'more'))),
    ]);
    expect(first.every(({ status }) => status === 'accepted')).toBe(true);
    expect(second).toEqual(second.map(() => ({ status: 'unavailable', reason: 'busy', retryable: true })));
    const later = await publisher.publishAll(eventsOf(numbered(20, 'more')));
    expect(later.every(({ status }) => status === 'accepted')).toBe(true);
    // A message published by the client itself is a duplicate all the same.
    const { duplicate } = await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, '{}', {
      msgID: 'orders:e0',
    });
    expect(duplicate).toBe(true);
  });
});
