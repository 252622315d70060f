import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  eventIdError,
  eventText,
  payloadError,
  sourceError,
  timestampError,
  topicError,
  unknownFieldErrors,
} from './event.js';
import { EVENT_ID_LENGTH_MAX, NUMBER_LENGTH_MAX, PAYLOAD_DEPTH_MAX, SOURCE_LENGTH_MAX } from './limits.js';

const notStrings = [undefined, null, 0, 1, true, {}, [], ['orders']];

describe('topicError', () => {
  it.each(['a', 'orders.created', 'A-Z_0.9', 'x'.repeat(64), Array(16).fill('t').join('.'), '-', '_'])(
    'accepts %s',
    (topic) => {
      expect(topicError(topic)).toBeUndefined();
    },
  );

  it.each([
    '',
    '.',
    'a.',
    '.a',
    'a..b',
    'a b',
    'a*',
    '>',
    'a.>',
    'a:b',
    'a;b',
    'é',
    'a\n',
    'x'.repeat(65),
    Array(17).fill('t').join('.'),
  ])('refuses %j', (topic) => {
    expect(topicError(topic)).toContain('topic must be');
  });

  it.each(notStrings)('refuses %p, which is not a string', (topic) => {
    expect(topicError(topic)).toBeDefined();
  });
});

describe.each([
  ['event_id', eventIdError, EVENT_ID_LENGTH_MAX],
  ['source', sourceError, SOURCE_LENGTH_MAX],
] as const)('%s', (field, errorOf, lengthMax) => {
  it('is any text of up to the largest length in code points, but for control characters and half pairs', () => {
    const anyText = fc.oneof(
      fc.string({ unit: 'binary', maxLength: 300 }),
      fc.string({ unit: fc.constantFrom('a', '😀', '\ud83d', '\u0000', '\u009f'), maxLength: 4 }),
      fc.string({ unit: fc.constantFrom('a', '😀'), minLength: 250, maxLength: 262 }),
    );
    fc.assert(
      fc.property(anyText, (text) => {
        const points = Array.from(text);
        const isControl = (point: string): boolean => /^\p{Cc}$/u.test(point);
        const valid =
          points.length >= 1 && points.length <= lengthMax && text.isWellFormed() && !points.some(isControl);
        expect(errorOf(text) === undefined).toBe(valid);
      }),
      { numRuns: 1_000 },
    );
  });

  it('says its own name when it is wrong', () => {
    expect(errorOf('')).toContain(`${field} must be`);
  });

  it.each(notStrings)('is not %p', (value) => {
    expect(errorOf(value)).toBeDefined();
  });
});

describe('timestampError', () => {
  it('asks for an instant with a zone', () => {
    expect(timestampError('2026-11-22T10:00:00Z')).toBeUndefined();
    expect(timestampError('2026-11-22T10:00:00')).toContain('with a zone or Z');
    expect(timestampError(1_763_805_600_000)).toBeDefined();
  });
});

describe('payloadError', () => {
  const errorOf = (text: string): string | undefined => payloadError(JSON.parse(text), text);
  const nested = (levels: number): string => `{"a":${'['.repeat(levels - 1)}${']'.repeat(levels - 1)}}`;

  it.each([
    ['nothing in it', '{}'],
    ['null', '{"a":null}'],
    ['escapes', String.raw`{"a":"\n\u00e9\ud83d\ude00"}`],
    ['as many levels as allowed', nested(PAYLOAD_DEPTH_MAX)],
  ])('accepts %s', (_, text) => {
    expect(errorOf(text)).toBeUndefined();
  });

  it.each([
    ['an array', '[]', 'JSON object'],
    ['null', 'null', 'JSON object'],
    ['a string', '"{}"', 'JSON object'],
    ['a number', '1', 'JSON object'],
    ['\\u0000 in a value', String.raw`{"a":"\u0000"}`, 'u0000'],
    ['\\u0000 in a name', String.raw`{"\u0000":1}`, 'u0000'],
    ['half of a surrogate pair', String.raw`{"a":"\ud800"}`, 'surrogate'],
    ['one level too many', nested(PAYLOAD_DEPTH_MAX + 1), 'levels'],
    ['a number too long', `{"a":${'1'.repeat(NUMBER_LENGTH_MAX + 1)}}`, 'number longer'],
    ['a number too large', '{"a":1e401}', 'exponent'],
  ])('refuses %s', (_, text, reason) => {
    expect(errorOf(text)).toContain(reason);
  });
});

describe('unknownFieldErrors', () => {
  it('names each member that an event does not have, and no other', () => {
    const names = ['topic', 'event_id', 'timestamp', 'source', 'payload', 'eventId', '__proto__'];
    expect(unknownFieldErrors(names).map((error) => error.field)).toEqual(['eventId', '__proto__']);
  });

  it('cuts a name that is very long', () => {
    expect(unknownFieldErrors(['x'.repeat(1_000)])[0]?.field).toHaveLength(64);
  });
});

describe('eventText', () => {
  it('is JSON of the event, with the characters of the payload unchanged', () => {
    const payload = '{ "n": 12345678901234567890 }';
    const event = {
      topic: 't',
      eventId: '"\\',
      timestamp: '2026-11-22T10:00:00.000000Z',
      source: 's',
      payload,
    };
    const text = eventText(event);
    expect(text).toContain(payload);
    expect(JSON.parse(text)).toMatchObject({ topic: 't', event_id: '"\\', source: 's' });
  });
});
