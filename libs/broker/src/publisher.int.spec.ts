import { describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { headers } from '@nats-io/nats-core';
import { eventText, MESSAGE_ID_HEADER } from '#contracts';
import { createTestSystem, waitFor, type TestSystem } from '#testing';
import type { PublishOutcome } from '#idempotent-consumer/jetstream';
import type { Publication } from './publication.js';
import { Publisher, type PublisherOptions } from './publisher.js';

function event(topic: string, eventId: string, payload = '{}'): Publication {
  return { topic, eventId, body: eventText({ ...sampleEvent, topic, eventId, payload }) };
}

const sampleEvent = {
  topic: 'orders',
  eventId: 'e',
  timestamp: '2026-11-22T10:00:00Z',
  source: 'test',
  payload: '{}',
};

function publisherOf(system: TestSystem, options: Partial<PublisherOptions> = {}): Publisher {
  return new Publisher(system.connection, {
    stream: system.streamName,
    subjectPrefix: system.subjectPrefix,
    inFlightMax: 64,
    waitingMax: 1_000,
    budgetMs: 18_000,
    ...options,
  });
}

const managerOf = (system: TestSystem): Promise<JetStreamManager> =>
  jetstreamManager(system.connection, { checkAPI: false });

async function messagesIn(system: TestSystem): Promise<number> {
  return (await (await managerOf(system)).streams.info(system.streamName)).state.messages;
}

const count = (outcomes: readonly PublishOutcome[], status: PublishOutcome['status']): number =>
  outcomes.filter((outcome) => outcome.status === status).length;

describe('publishing', () => {
  it('puts one of 50 simultaneous publishes of an event into the stream, and calls the others duplicates', async () => {
    const system = await createTestSystem();
    // Two publishers, as two gateways: what one cannot see of the other the brokers answer with 10158.
    const [one, other] = [publisherOf(system), publisherOf(system)];
    const answers = await Promise.all(
      Array.from({ length: 50 }, (_, n) => (n % 2 ? one : other).publish(event('orders', 'same'))),
    );
    expect([count(answers, 'accepted'), count(answers, 'duplicate')]).toEqual([1, 49]);
    expect(answers.every((outcome) => outcome.status !== 'unavailable' && outcome.seq === 1)).toBe(true);
    expect(await messagesIn(system)).toBe(1);
  });

  it('keeps the same event id under two topics apart', async () => {
    const system = await createTestSystem();
    const outcomes = await publisherOf(system).publishAll([
      event('a', '1'),
      event('b', '1'),
      event('a', ' 1'),
    ]);
    expect(count(outcomes, 'accepted')).toBe(3);
    expect(await messagesIn(system)).toBe(3);
  });

  it('gives every message headers of its own, so that none takes the id of another', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, { inFlightMax: 1 });
    const outcomes = await publisher.publishAll([event('a', '1'), event('a', '2'), event('a', '3')]);
    expect(outcomes.map((outcome) => outcome.status)).toEqual(['accepted', 'accepted', 'accepted']);
    const stored = await (await managerOf(system)).streams.getMessage(system.streamName, { seq: 2 });
    expect(stored?.header.values('Nats-Msg-Id')).toEqual(['a:2']);
  });

  it('calls an event a duplicate that another producer had published', async () => {
    const system = await createTestSystem();
    const theirs = headers();
    theirs.set('Nats-Msg-Id', 'a:1');
    await jetstream(system.connection).publish(`${system.subjectPrefix}.a`, event('a', '1').body, {
      headers: theirs,
    });
    expect(await publisherOf(system).publish(event('a', '1'))).toEqual({ status: 'duplicate', seq: 1 });
  });

  it('is not deceived by a message that has the event’s id but is another event', async () => {
    const system = await createTestSystem();
    const impostors = ['not json', eventText({ ...sampleEvent, eventId: 'other' })];
    for (const [n, body] of impostors.entries()) {
      const header = headers();
      header.set(MESSAGE_ID_HEADER, `orders:e${n}`);
      await jetstream(system.connection).publish(`${system.subjectPrefix}.orders`, body, { headers: header });
    }
    const publisher = publisherOf(system);
    const answers = await publisher.publishAll(impostors.map((_, n) => event('orders', `e${n}`)));
    expect(answers.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
    const seqs = answers.map((outcome) => (outcome.status === 'unavailable' ? 0 : outcome.seq)).sort();
    expect(seqs).toEqual([3, 4]);
  });

  it('refuses a batch as a whole when there is no room for all of it', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, { inFlightMax: 2, waitingMax: 3 });
    const six = Array.from({ length: 6 }, (_, n) => event('a', String(n)));
    const outcomes = await publisher.publishAll(six);
    expect(outcomes).toEqual(six.map(() => ({ status: 'unavailable', reason: 'busy', retryable: true })));
    expect(await messagesIn(system)).toBe(0);
    expect(count(await publisher.publishAll(six.slice(1)), 'accepted')).toBe(5);
    expect(publisher.unfinished).toBe(0);
  });

  it('refuses a message that is larger than the brokers take', async () => {
    const system = await createTestSystem();
    const outcome = await publisherOf(system).publish(event('a', '1', 'x'.repeat(1_100_000)));
    expect(outcome).toEqual({ status: 'unavailable', reason: 'too_large', retryable: false });
  });

  it('says that the stream is full, keeps what is in it, and goes on when there is room', async () => {
    const system = await createTestSystem({ streamBytesMax: 200_000 });
    const publisher = publisherOf(system, { inFlightMax: 4 });
    const events = Array.from({ length: 40 }, (_, n) => event('a', String(n), 'x'.repeat(10_000)));
    const outcomes = await publisher.publishAll(events);
    const accepted = count(outcomes, 'accepted');
    expect(accepted).toBeGreaterThan(5);
    const others = outcomes.filter((outcome) => outcome.status !== 'accepted');
    expect(others).toEqual(
      others.map(() => ({ status: 'unavailable', reason: 'stream_full', retryable: true })),
    );
    expect(await messagesIn(system)).toBe(accepted);

    const manager = await managerOf(system);
    await manager.streams.update(system.streamName, { max_bytes: 2_000_000 });
    const refused = events.filter((_, n) => outcomes[n]?.status !== 'accepted');
    const later = await waitFor(
      async () => {
        const again = await publisher.publishAll(refused);
        return count(again, 'unavailable') === 0 && again;
      },
      { timeoutMs: 10_000, describe: 'the refused events to be taken' },
    );
    expect(later).toHaveLength(40 - accepted);
    expect(await messagesIn(system)).toBe(40);
  });

  it('gives up when the brokers take no event within the budget', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, { subjectPrefix: 'without-stream', budgetMs: 400 });
    expect(await publisher.publish(event('a', '1'))).toEqual({
      status: 'unavailable',
      reason: 'no_answer',
      retryable: true,
    });
  });

  it('ends the publishes under way when it is stopped, and starts no others', async () => {
    const system = await createTestSystem();
    const publisher = publisherOf(system, { subjectPrefix: 'without-stream' });
    const underWay = publisher.publish(event('a', '1'));
    publisher.stop(100);
    expect(await underWay).toMatchObject({ status: 'unavailable', reason: 'stopping' });
    expect(await publisher.publish(event('a', '2'))).toMatchObject({ reason: 'stopping' });
  });
});
