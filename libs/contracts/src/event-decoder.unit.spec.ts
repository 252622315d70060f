import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeEvent } from './event-decoder.js';
import { eventText } from './event.js';
import { EVENT_BYTES_MAX } from './limits.js';
import type { Decoded } from './raw-message.js';
import { messageIdOf } from './subject.js';

const TOPIC = 'orders.created';
const VALID = {
  topic: TOPIC,
  event_id: 'id-1',
  timestamp: '2026-11-22T10:00:00+07:00',
  source: 'checkout',
  payload: { amount: 1 },
};

interface Given {
  readonly subject?: string;
  readonly messageId?: string;
  readonly bytesMax?: number;
}

function decodeBytes(data: Uint8Array, given: Given = {}): Decoded {
  const message = { subject: given.subject ?? `events.${TOPIC}`, data, header: () => given.messageId };
  return decodeEvent(message, 'events', given.bytesMax ?? EVENT_BYTES_MAX);
}

function decode(body: unknown, given?: Given): Decoded {
  return decodeBytes(Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)), given);
}

function without(name: keyof typeof VALID, ...others: (keyof typeof VALID)[]): object {
  return Object.fromEntries(
    Object.entries(VALID).filter(([key]) => ![name, ...others].includes(key as never)),
  );
}

describe('decodeEvent', () => {
  it('brings a valid event into the form that is stored', () => {
    expect(decode(VALID)).toEqual({
      ok: true,
      event: {
        topic: TOPIC,
        eventId: 'id-1',
        timestamp: '2026-11-22T03:00:00.000000Z',
        source: 'checkout',
        payload: '{"amount":1}',
      },
    });
  });

  it('keeps the characters of the payload', () => {
    const payload = String.raw`{ "n" : 12345678901234567890, "a":1, "a":2, "s":"\u0041" }`;
    const body = JSON.stringify(VALID).replace('{"amount":1}', payload);
    expect(decode(body)).toMatchObject({ ok: true, event: { payload } });
  });

  it('takes the topic from the subject when the body leaves it out', () => {
    expect(decode(without('topic'))).toMatchObject({ ok: true, event: { topic: TOPIC } });
  });

  it('takes the event id from the header when the body leaves it out', () => {
    const messageId = messageIdOf(TOPIC, 'from:header');
    const event = { topic: TOPIC, eventId: 'from:header' };
    expect(decode(without('event_id'), { messageId })).toMatchObject({ ok: true, event });
    expect(decode(without('topic', 'event_id'), { messageId })).toMatchObject({ ok: true, event });
  });

  it('prefers the event id of the body to that of the header', () => {
    expect(decode(VALID, { messageId: `${TOPIC}:other` })).toMatchObject({
      ok: true,
      event: { eventId: 'id-1' },
    });
  });

  it('does not take null for left out', () => {
    expect(decode({ ...VALID, topic: null })).toMatchObject({ ok: false, reason: 'invalid_event' });
    const messageId = messageIdOf(TOPIC, 'id');
    expect(decode({ ...VALID, event_id: null }, { messageId })).toMatchObject({ reason: 'invalid_event' });
  });

  it.each([
    ['no header', undefined],
    ['a header of another topic', 'payments:1'],
    ['a header without a topic', '1'],
    ['an empty id in the header', `${TOPIC}:`],
  ])('refuses a body without an event id when the header is %s', (_, messageId) => {
    const given = messageId === undefined ? {} : { messageId };
    const decoded = decode(without('event_id'), given);
    expect(decoded).toMatchObject({ ok: false, reason: 'invalid_event' });
    expect(decoded).not.toHaveProperty('eventId');
  });

  it('reads back every event that eventText writes', () => {
    const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 64 });
    fc.assert(
      fc.property(name, name, fc.dictionary(name, fc.jsonValue()), (eventId, source, payload) => {
        const timestamp = '2026-11-22T10:00:00.123456Z';
        const event = { topic: TOPIC, eventId, timestamp, source, payload: JSON.stringify(payload) };
        expect(decode(eventText(event))).toEqual({ ok: true, event });
      }),
    );
  });
});

describe('a byte order mark', () => {
  it('is accepted, as over HTTP, and does not become part of the event', () => {
    expect(decode(`\ufeff${JSON.stringify(VALID)}`)).toEqual(decode(VALID));
    expect(decode(`\ufeff${JSON.stringify(VALID)}`).ok).toBe(true);
  });
});

describe('an id that ends in white space', () => {
  const body = { ...VALID, event_id: 'x ' };

  it.each([
    ['whose header has lost it', `${TOPIC}:x`, false],
    ['whose header would lose it', `${TOPIC}:x `, false],
    ['whose header is written so that nothing is lost', `${TOPIC};eCA`, true],
    ['whose header names the message by something else', 'my-own-17', true],
    ['without a header', undefined, true],
  ])('%s', (_, messageId, isEvent) => {
    const detail: unknown = expect.stringContaining(`${TOPIC};eCA`);
    const expected = isEvent
      ? { ok: true, event: { eventId: 'x ' } }
      : { ok: false, reason: 'invalid_event', detail };
    for (const text of [JSON.stringify(body), JSON.stringify({ ...body, topic: undefined })]) {
      expect(decode(text, messageId === undefined ? {} : { messageId })).toMatchObject(expected);
    }
  });

  it('is taken from such a header alone, and one that begins in white space is never in doubt', () => {
    expect(decode(without('event_id'), { messageId: `${TOPIC};eCA` })).toMatchObject({
      ok: true,
      event: { eventId: 'x ' },
    });
    expect(decode({ ...VALID, event_id: ' x' }, { messageId: `${TOPIC}: x` }).ok).toBe(true);
  });
});

describe('a message that is not an event', () => {
  it.each([
    ['too_large', Buffer.alloc(101, 0x20), { bytesMax: 100 }],
    ['not_utf8', Buffer.from([0x7b, 0xff, 0x7d]), {}],
    ['not_utf8', Buffer.from('{"a":"\u00ed\u00a0\u0080"}', 'latin1'), {}],
    ['not_json', Buffer.from(''), {}],
    ['not_json', Buffer.from('{"topic":'), {}],
    ['not_json', Buffer.from('\ufeff\ufeff{}'), {}],
    ['invalid_event', Buffer.from('[]'), {}],
    ['invalid_event', Buffer.from('null'), {}],
    ['invalid_event', Buffer.from('"text"'), {}],
    ['invalid_event', Buffer.from('{}'), {}],
    ['subject_mismatch', Buffer.from(JSON.stringify({ ...VALID, topic: 'orders.paid' })), {}],
    ['subject_mismatch', Buffer.from(JSON.stringify(VALID)), { subject: 'other.orders.created' }],
  ] as const)('is %s', (reason, data, given: Given) => {
    const decoded = decodeBytes(data, given);
    expect(decoded).toMatchObject({ ok: false, reason, detail: expect.stringMatching(/./) });
  });

  it('is taken up to the last byte that is allowed', () => {
    const body = JSON.stringify(VALID);
    expect(decode(body, { bytesMax: body.length }).ok).toBe(true);
    expect(decode(body, { bytesMax: body.length - 1 })).toMatchObject({ reason: 'too_large' });
  });

  it('is refused with all of its problems', () => {
    const decoded = decode({
      topic: 'a b',
      event_id: '',
      timestamp: 'now',
      source: 7,
      payload: [],
      extra: 1,
    });
    const detail = decoded.ok ? '' : decoded.detail;
    const named = ['topic', 'event_id', 'timestamp', 'source', 'payload', 'extra'].filter((field) =>
      new RegExp(`(^|; )${field}: `).test(detail),
    );
    expect(named).toHaveLength(6);
  });

  it('keeps its id where that is valid, so that the dead letter can be found', () => {
    expect(decode({ ...VALID, source: '' })).toMatchObject({ eventId: 'id-1' });
    expect(decode({ ...VALID, topic: 'orders.paid' })).toMatchObject({ eventId: 'id-1' });
    expect(decode({ ...VALID, event_id: 'a\u0000' })).not.toHaveProperty('eventId');
  });

  it('is not an event because its prototype is', () => {
    const body = `{"__proto__":${JSON.stringify(VALID)}}`;
    expect(decode(body)).toMatchObject({ ok: false, reason: 'invalid_event' });
  });

  it.each([
    ['a NUL character that is quoted', '\0'],
    ['a NUL character in an unknown name', JSON.stringify({ ...VALID, 'a\0': 1 })],
    ['half a pair in an unknown name', JSON.stringify({ ...VALID, '\ud800': 1 })],
    ['a name that is cut within a pair', JSON.stringify({ ...VALID, [`${'x'.repeat(63)}😀`]: 1 })],
  ])('has a detail that Postgres can store: %s', (_, body) => {
    const decoded = decode(body);
    const detail = decoded.ok ? '' : decoded.detail;
    expect(detail).not.toContain('\0');
    expect(detail.isWellFormed()).toBe(true);
    expect(detail.length).toBeGreaterThan(0);
  });

  it('has a detail of bounded length, however much is wrong', () => {
    const body = Object.fromEntries(Array.from({ length: 5_000 }, (_, n) => [`name-${n}`, n]));
    const decoded = decode(body);
    expect(decoded.ok ? 0 : decoded.detail.length).toBe(2_000);
  });
});

describe('decodeEvent on anything at all', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.json().map((text) => Buffer.from(text)),
    fc.json().map((text) => Buffer.from(text.slice(0, -1))),
    fc
      .record(
        { topic: fc.anything(), event_id: fc.anything(), timestamp: fc.anything(), source: fc.anything() },
        { requiredKeys: [] },
      )
      .map((body) => Buffer.from(fc.stringify(body))),
    fc
      .record(
        {
          topic: fc.oneof(fc.constant(TOPIC), fc.jsonValue()),
          event_id: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          timestamp: fc.oneof(fc.constant(VALID.timestamp), fc.jsonValue()),
          source: fc.oneof(fc.string({ unit: 'binary' }), fc.jsonValue()),
          payload: fc.oneof(fc.dictionary(fc.string({ unit: 'binary' }), fc.jsonValue()), fc.jsonValue()),
        },
        { requiredKeys: [] },
      )
      .map((body) => Buffer.from(JSON.stringify(body))),
  );
  const anySubject = fc.oneof(fc.constant(`events.${TOPIC}`), fc.string({ unit: 'binary' }));

  it('never throws, and gives an event or a storable reason', () => {
    fc.assert(
      fc.property(bytes, anySubject, fc.option(fc.string({ unit: 'binary' })), (data, subject, header) => {
        const decoded = decodeBytes(data, { subject, ...(header === null ? {} : { messageId: header }) });
        const text = decoded.ok ? JSON.stringify(decoded.event) : decoded.detail;
        expect(text.length).toBeGreaterThan(0);
        expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });

  it('survives a body of nothing but brackets, and one string as long as the largest body', () => {
    expect(decode('['.repeat(EVENT_BYTES_MAX))).toMatchObject({ reason: 'not_json' });
    const deep = `${'['.repeat(100_000)}${']'.repeat(100_000)}`;
    const body = JSON.stringify(VALID).replace('{"amount":1}', `{"a":${deep}}`);
    expect(decode(body)).toMatchObject({ reason: 'invalid_event', detail: expect.stringContaining('nest') });
    const long = { ...VALID, payload: { e: 'x\\"'.repeat(60_000), n: 1e300 } };
    expect(decode(long, { bytesMax: 1_000_000 }).ok).toBe(true);
  });
});
