/** What every implementation of the port `EventPublisher` keeps. */
import { describe, expect, it, beforeAll, afterAll } from '@jest/globals';
import type { EventPublisher } from '../producer/event-publisher.js';
import { InvalidEventError } from '../producer/invalid-event-error.js';
import type { EventFormOptions, Topics, WrittenEvent } from '../producer/new-event.js';

/** An event as consumers get it. */
export interface SeenEvent {
  readonly topic: string;
  readonly id: string;
  readonly payload: unknown;
}

/** Where the events of a suite go. */
export interface PublisherImplementation {
  create<T extends Topics>(form: EventFormOptions<T>): EventPublisher<T>;
  /** What was taken, in the order of the stream. */
  seen(): Promise<readonly SeenEvent[]>;
  /** The size of an event that is refused for good, in bytes. */
  readonly tooLargeBytes: number;
  dispose(): Promise<void>;
}

const Amount = {
  parse: (value: unknown): { amount: number } => {
    const { amount } = value as { amount?: unknown };
    if (typeof amount !== 'number') throw new Error('amount: expected a number');
    return { amount };
  },
};

function written(topic: string, eventId: string, payload: object = {}): WrittenEvent {
  const timestamp = '2026-11-22T10:00:00Z';
  const body = JSON.stringify({ topic, event_id: eventId, timestamp, source: 'test', payload });
  return { topic, eventId, body };
}

/** The place and the publisher of a suite that runs. */
class Suite {
  place!: PublisherImplementation;
  publisher!: EventPublisher;

  async seenOf(topic: string): Promise<SeenEvent[]> {
    return (await this.place.seen()).filter((event) => event.topic === topic);
  }
}

/** Runs the suite. @param begin creates a place of its own for the events of the suite */
export function publisherConformance(name: string, begin: () => Promise<PublisherImplementation>): void {
  describe(`the contract of a publisher, kept by ${name}`, () => {
    const suite = new Suite();

    beforeAll(async () => {
      suite.place = await begin();
      suite.publisher = suite.place.create({ source: 'shop' });
    });

    afterAll(async () => {
      await suite.publisher.stop();
      await suite.place.dispose();
    });

    takesEvents(suite);
    checksEvents(suite);
    keepsOrder(suite);
  });
}

function takesEvents(suite: Suite): void {
  it('takes an event once, and calls its repeat a duplicate of the first', async () => {
    const event = { topic: 'once', id: 'a', payload: { n: 1 }, timestamp: '2026-11-22T10:00:00Z' };
    const first = await suite.publisher.publish(event);
    expect(first).toEqual({ status: 'accepted', eventId: 'a', seq: expect.any(Number) as unknown });
    expect(await suite.publisher.publish(event)).toEqual({ ...first, status: 'duplicate' });
    expect(await suite.seenOf('once')).toEqual([{ topic: 'once', id: 'a', payload: { n: 1 } }]);
  });

  it('gives every event an outcome in the order of the events, and an id where it has none', async () => {
    const events = Array.from({ length: 50 }, (_, n) => ({ topic: `many.${n % 2}`, payload: { n } }));
    const outcomes = await suite.publisher.publishAll([
      ...events,
      { topic: 'many.0', id: 'named', payload: {} },
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(Array.from({ length: 51 }, () => 'accepted'));
    expect(outcomes[50]?.eventId).toBe('named');
    const numbers = new Map(
      (await suite.place.seen()).map(({ id, payload }) => [id, (payload as { n?: number }).n]),
    );
    expect(outcomes.map(({ eventId }) => numbers.get(eventId))).toEqual([
      ...events.map((_, n) => n),
      undefined,
    ]);
  });

  it('keeps one id under two topics apart', async () => {
    const outcomes = await suite.publisher.publishAll([
      { topic: 'one', id: 'same', payload: {} },
      { topic: 'other', id: 'same', payload: {} },
    ]);
    expect(outcomes.map(({ status }) => status)).toEqual(['accepted', 'accepted']);
  });

  it('takes nothing after its stop', async () => {
    const stopped = suite.place.create({ source: 'shop' });
    await stopped.stop();
    const outcome = { status: 'refused', eventId: 'late', reason: 'stopping', retryable: true };
    expect(await stopped.publish({ topic: 'late', id: 'late', payload: {} })).toEqual(outcome);
    expect(await suite.seenOf('late')).toEqual([]);
  });
}

function checksEvents(suite: Suite): void {
  it('publishes none of the events when one of them breaks a rule, and says which and why', async () => {
    const typed = suite.place.create({ source: 'shop', schemas: { 'typed.paid': Amount } });
    await typed.publish({ topic: 'typed.paid', id: 'good', payload: { amount: 5 } });
    const wrong = { amount: 'much' } as unknown as { amount: number };
    await expect(
      typed.publishAll([
        { topic: 'typed.paid', id: 'first', payload: { amount: 1 } },
        { topic: 'typed.paid', id: 'wrong', payload: wrong },
      ]),
    ).rejects.toThrow(
      /^event wrong of topic typed\.paid: payload does not fit its schema: amount: expected a number$/,
    );
    for (const [broken, message] of [
      [{ topic: 'a b', id: 'x', payload: {} }, /topic must be/],
      [{ topic: 'a', id: ' x', payload: {} }, /id must be/],
      [{ topic: 'a', id: 'x', payload: [] }, /payload must be a JSON object/],
      [{ topic: 'a', id: 'x', payload: { text: 'a\u0000b' } }, /Postgres cannot store/],
      [{ topic: 'a', id: 'x', payload: {}, timestamp: 'noon' }, /timestamp must be/],
      [
        { topic: 'a', id: 'x', payload: { text: 'x'.repeat(300_000) } },
        /has 300\d\d\d bytes, and at most 262144/,
      ],
    ] as const)
      await expect(suite.publisher.publish(broken)).rejects.toThrow(message);
    await expect(suite.publisher.publish({ topic: '', payload: {} })).rejects.toThrow(InvalidEventError);
    expect((await suite.seenOf('typed.paid')).map(({ id }) => id)).toEqual(['good']);
    expect(await suite.seenOf('a')).toEqual([]);
    await typed.stop();
  });
}

function keepsOrder(suite: Suite): void {
  it('keeps the order of each topic where it is asked to, also with repeats among the events', async () => {
    const event = (n: number): WrittenEvent => written(`ordered.${n % 3}`, `e${n}`, { n });
    // Some are there already, so that no batch can be taken as a whole.
    await suite.publisher.sendInOrder([0, 1, 2, 3].map(event));
    const outcomes = await suite.publisher.sendInOrder(Array.from({ length: 60 }, (_, n) => event(n)));
    expect(outcomes.map(({ status }) => status)).toEqual(
      Array.from({ length: 60 }, (_, n) => (n < 4 ? 'duplicate' : 'accepted')),
    );
    await suite.publisher.sendInOrder(Array.from({ length: 60 }, (_, n) => event(60 + n)));
    for (const rest of [0, 1, 2]) {
      const numbers = (await suite.seenOf(`ordered.${rest}`)).map(
        ({ payload }) => (payload as { n: number }).n,
      );
      expect(numbers).toEqual(Array.from({ length: 40 }, (_, n) => 3 * n + rest));
    }
  });

  it('sends nothing behind an event of the topic that is not taken, and goes on with other topics', async () => {
    const large = written('stopped', 'large', { text: 'x'.repeat(suite.place.tooLargeBytes) });
    const outcomes = await suite.publisher.sendInOrder([
      written('stopped', 'before'),
      large,
      written('stopped', 'behind'),
      written('going', 'on'),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'accepted', eventId: 'before' },
      { status: 'refused', eventId: 'large', retryable: false },
      { status: 'refused', eventId: 'behind', reason: 'behind', retryable: true },
      { status: 'accepted', eventId: 'on' },
    ]);
    expect((await suite.seenOf('stopped')).map(({ id }) => id)).toEqual(['before']);
  });
}
