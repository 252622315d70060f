import { describe, expect, it } from '@jest/globals';
import { EVENT_BYTES, EventBody, eventIdOfNumber, topicOfNumber } from './event-body.js';
import { ELSEWHERE_CONNECTION, EventNumbers } from './event-numbers.js';

interface Sent {
  readonly topic: string;
  readonly event_id: string;
  readonly payload: { readonly sent_us: number };
}

describe('EventBody', () => {
  it('is one event of the size that is measured', () => {
    const body = new EventBody('run', 1, 'object');
    body.write(0, 123_000_000_007);
    const event = JSON.parse(body.bytes.toString()) as Sent;
    expect(body.bytes).toHaveLength(EVENT_BYTES);
    expect(event.topic).toBe(topicOfNumber(123_000_000_007));
    expect(event.event_id).toBe(eventIdOfNumber('run', 123_000_000_007));
  });

  it('renews each event of an array separately', () => {
    const body = new EventBody('run', 3, 'array');
    for (const [position, number] of [5, 16, 27].entries()) body.write(position, number);
    body.write(1, 98);
    const events = JSON.parse(body.bytes.toString()) as Sent[];
    expect(events.map((event) => event.event_id)).toStrictEqual(
      [5, 98, 27].map((number) => eventIdOfNumber('run', number)),
    );
    expect(events.map((event) => event.topic)).toStrictEqual([5, 98, 27].map(topicOfNumber));
  });

  it('carries the time to the microsecond when it is given, and only then', () => {
    const body = new EventBody('run', 2, 'array');
    body.write(0, 1, 1_795_341_600_123_456);
    body.write(1, 2);
    const events = JSON.parse(body.bytes.toString()) as Sent[];
    expect(events.map((event) => event.payload.sent_us)).toStrictEqual([
      1_795_341_600_123_456, 1_000_000_000_000_000,
    ]);
  });
});

describe('EventNumbers', () => {
  it('gives each number once when there are no repeats', () => {
    const numbers = new EventNumbers(2, 0);
    const given = Array.from({ length: 100 }, () => numbers.next());
    expect(new Set(given).size).toBe(100);
    expect(numbers.different).toBe(100);
  });

  it('repeats exactly the share that was asked for, and only numbers that were given before', () => {
    const numbers = new EventNumbers(0, 0.3);
    const seen = new Set<number>();
    let repeats = 0;
    for (let count = 0; count < 1_000; count += 1) {
      const number = numbers.next();
      if (seen.has(number)) repeats += 1;
      seen.add(number);
    }
    expect(repeats).toBe(300);
    expect(numbers.different).toBe(700);
    expect(Math.max(...seen)).toBe(699);
  });

  it('repeats what another gateway has taken, from its beginning again after its end, and each connection elsewhere', () => {
    const taken = new EventNumbers(ELSEWHERE_CONNECTION, 0);
    const events = Array.from({ length: 10 }, () => taken.next());
    const [one, other] = [0, 1].map((index) => {
      const numbers = new EventNumbers(index, 1, { events: 10, connections: 2 });
      return Array.from({ length: 12 }, () => numbers.next());
    });
    expect(one).toEqual([...events, ...events.slice(0, 2)]);
    expect(other).toEqual([...events.slice(5), ...events.slice(0, 7)]);
  });

  it('keeps connections apart', () => {
    const [one, other] = [new EventNumbers(0, 0), new EventNumbers(1, 0)];
    expect(one.next()).not.toBe(other.next());
  });
});
