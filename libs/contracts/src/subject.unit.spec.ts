import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { eventIdError, eventText, topicError } from './event.js';
import { digestedMessageIdOf, eventIdOf, messageIdOf, subjectOf, topicOf } from './subject.js';

const topic = fc.stringMatching(/^[ab_-]{1,2}(\.[ab_-]{1,2}){0,2}$/);
/** Ids that resemble parts of a message id, and ids that a header would shorten. */
const eventId = fc
  .array(fc.constantFrom('a', 'b', ':', ';', ' ', '\u00a0', '\u3000', '\ufeff', 'YQ', '.', '=', '😀'), {
    minLength: 1,
  })
  .map((parts) => parts.join(''));

describe('messageIdOf', () => {
  it('gives two events one id only when they are one event, even after a header has lost its outer white space', () => {
    fc.assert(
      fc.property(topic, eventId, topic, eventId, (topicA, idA, topicB, idB) => {
        const same = topicA === topicB && idA === idB;
        expect(messageIdOf(topicA, idA).trim() === messageIdOf(topicB, idB).trim()).toBe(same);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is not changed by trimming', () => {
    fc.assert(
      fc.property(topic, eventId, (name, id) => {
        expect(messageIdOf(name, id).trim()).toBe(messageIdOf(name, id));
      }),
    );
  });

  it('is <topic>:<event_id> for an ordinary id, as documented for direct producers', () => {
    expect(messageIdOf('orders.created', '0197-a')).toBe('orders.created:0197-a');
  });

  it('tells an id from the same id with white space, and from the text of its encoding', () => {
    const ids = ['a', 'a ', ' a', 'YSA', ';YSA'].map((id) => messageIdOf('t', id));
    expect(new Set(ids).size).toBe(ids.length);
  });
});

describe('digestedMessageIdOf', () => {
  const idOf = (name: string, eventId: string, payload: string, secret = '', source = 's'): string => {
    const body = eventText({ topic: name, eventId, timestamp: '2026-11-22T10:00:00Z', source, payload });
    return digestedMessageIdOf(name, eventId, body, secret);
  };

  it('is the message id, a colon, and 16 characters that a header keeps', () => {
    fc.assert(
      fc.property(topic, eventId, fc.constantFrom('{}', '{"payload":1}'), (name, id, payload) => {
        const digested = idOf(name, id, payload);
        expect(digested.slice(0, -17)).toBe(messageIdOf(name, id));
        expect(digested.slice(-17)).toMatch(/^:[\w-]{16}$/);
      }),
    );
  });

  it('differs when the payload or the secret does, and not when another member does', () => {
    const ids = [idOf('t', 'a', '{"n":1}'), idOf('t', 'a', '{"n":2}'), idOf('t', 'a', '{"n":1}', 'secret')];
    expect(new Set(ids).size).toBe(3);
    expect(idOf('t', 'a', '{"n":1}', '', ',"payload":{')).toBe(ids[0]);
  });

  it('has another digest for another event with the same payload', () => {
    const [one = '', other = ''] = ['a', 'b'].map((id) => idOf('t', id, '{}'));
    expect(one.slice(-16)).not.toBe(other.slice(-16));
  });
});

describe('eventIdOf', () => {
  it('reads back what messageIdOf wrote', () => {
    fc.assert(
      fc.property(topic, eventId, (name, id) => {
        expect(eventIdOf(name, messageIdOf(name, id))).toBe(id);
      }),
    );
  });

  it('reads no id where the text after the topic is not how one is written', () => {
    for (const text of ['t;', 't;YQ', 't;YSA=', 't;!', 't']) expect(eventIdOf('t', text)).toBeUndefined();
    expect(eventIdOf('t', 't;YSA')).toBe('a ');
  });

  it('reads no id for another topic', () => {
    expect(eventIdOf('orders', 'orders.created:1')).toBeUndefined();
    expect(eventIdOf('orders.created', 'orders:1')).toBeUndefined();
  });
});

describe('subjects', () => {
  it('lead back to their topic', () => {
    fc.assert(
      fc.property(topic, (name) => {
        expect(topicOf('events', subjectOf('events', name))).toBe(name);
      }),
    );
  });

  it('of another prefix name no topic', () => {
    expect(topicOf('events', 'events')).toBeUndefined();
    expect(topicOf('events', 'eventsx.a')).toBeUndefined();
  });
});

describe('the generators above', () => {
  it('make topics and ids that are valid', () => {
    fc.assert(
      fc.property(topic, eventId, (name, id) => {
        fc.pre(Array.from(id).length <= 256);
        expect([topicError(name), eventIdError(id)]).toEqual([undefined, undefined]);
      }),
    );
  });
});
