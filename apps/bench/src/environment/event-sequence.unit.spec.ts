import { describe, expect, it } from '@jest/globals';
import { decodeEvent } from '#contracts';
import {
  EVENT_BYTES,
  eventOf,
  eventsAmong,
  plannedEvent,
  type PlannedMessage,
  plannedMessages,
  TOPICS,
} from './event-sequence.js';

const PLAN = { messages: 20_000, duplicateShare: 0.3 };

describe('the messages of a plan', () => {
  it('are the same every time', () => {
    expect([...plannedMessages(PLAN)]).toEqual([...plannedMessages(PLAN)]);
  });

  it('repeat the share that was asked for, and only events that came before', () => {
    let [events, repeats] = [0, 0];
    const wrong: PlannedMessage[] = [];
    for (const message of plannedMessages(PLAN)) {
      const { index, event, isRepeat } = message;
      const isRight = index === events + repeats && (isRepeat ? event < events : event === events);
      if (!isRight) wrong.push(message);
      if (isRepeat) repeats += 1;
      else events += 1;
    }
    expect(wrong).toEqual([]);
    expect(repeats / PLAN.messages).toBeCloseTo(0.3, 2);
    expect(eventsAmong(PLAN, PLAN.messages)).toBe(events);
  });

  it('repeat nothing when the share is 0', () => {
    expect([...plannedMessages({ messages: 100, duplicateShare: 0 })].some(({ isRepeat }) => isRepeat)).toBe(
      false,
    );
    expect(eventsAmong({ messages: 100, duplicateShare: 0 }, 60)).toBe(60);
  });

  it('begin with the same messages in a longer plan', () => {
    const few = [...plannedMessages({ ...PLAN, messages: 500 })];
    expect([...plannedMessages(PLAN)].slice(0, 500)).toEqual(few);
    expect(eventsAmong(PLAN, 500)).toBe(few.filter(({ isRepeat }) => !isRepeat).length);
  });

  it('repeat at any distance', () => {
    const distances = [...plannedMessages(PLAN)]
      .filter(({ isRepeat, index }) => isRepeat && index > 10_000)
      .map(({ index, event }) => event / (index * 0.7));
    const mean = distances.reduce((sum, one) => sum + one, 0) / distances.length;
    expect(mean).toBeCloseTo(0.5, 1);
  });
});

describe('the repeats of stored events', () => {
  it('are spread over all of them, and are new to the backlog', () => {
    const plan = { ...PLAN, ids: 'random' as const, storedKeys: 50 };
    const messages = [...plannedMessages(plan)];
    const repeated = messages.filter(({ isRepeat }) => isRepeat);
    const numbers = new Set(repeated.map(({ event }) => event));
    expect([numbers.size, Math.min(...numbers), Math.max(...numbers)]).toEqual([50, 1, 50]);
    const ids = new Set(
      messages.filter(({ isRepeat }) => !isRepeat).map((one) => eventOf(one, plan).eventId),
    );
    expect(repeated.filter((one) => ids.has(eventOf(one, plan).eventId))).toEqual([]);
    expect(eventsAmong(plan, PLAN.messages)).toBe(ids.size);
  });
});

describe.each(['ordered', 'random'] as const)('an event whose id is %s', (ids) => {
  const events = Array.from({ length: 10_000 }, (_, event) => plannedEvent(event, ids));

  it('is 300 bytes of a valid event', () => {
    for (const { topic, eventId, body } of events.slice(0, 500)) {
      const data = Buffer.from(body);
      expect(data).toHaveLength(EVENT_BYTES);
      const decoded = decodeEvent(
        { subject: `events.${topic}`, data, header: () => undefined },
        'events',
        1_024,
      );
      expect(decoded).toMatchObject({ ok: true, event: { topic, eventId } });
    }
  });

  it('has a unique id in the form of a UUID', () => {
    expect(new Set(events.map(({ eventId }) => eventId)).size).toBe(events.length);
    const version = ids === 'ordered' ? '7' : '4';
    const form = new RegExp(`^[0-9a-f]{8}-[0-9a-f]{4}-${version}[0-9a-f]{3}-8[0-9a-f]{3}-[0-9a-f]{12}$`);
    expect(events.filter(({ eventId }) => !form.test(eventId))).toEqual([]);
  });

  it('has one of ten topics, each about as often', () => {
    const counts = TOPICS.map((topic) => events.filter((event) => event.topic === topic).length);
    expect(counts).toHaveLength(10);
    expect(Math.min(...counts)).toBeGreaterThan(800);
    expect(Math.max(...counts)).toBeLessThan(1_200);
  });

  it('is the same every time', () => {
    expect(plannedEvent(4_711, ids)).toEqual(events[4_711]);
  });
});

describe('the ids of a plan', () => {
  it('grow when they are ordered, and do not when they are random', () => {
    const grow = (ids: 'ordered' | 'random'): boolean => {
      const found = Array.from({ length: 100 }, (_, event) => plannedEvent(event, ids).eventId);
      return found.every((id, index) => index === 0 || id > (found[index - 1] ?? ''));
    };
    expect([grow('ordered'), grow('random')]).toEqual([true, false]);
  });
});
