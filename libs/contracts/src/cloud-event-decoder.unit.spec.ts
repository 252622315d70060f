import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { decodeEvent } from './event-decoder.js';
import { eventText } from './event.js';
import type { Decoded } from './raw-message.js';

const TOPIC = 'com.example.order';
const STRUCTURED = { 'content-type': 'application/cloudevents+json' };
const BINARY = {
  'ce-specversion': '1.0',
  'ce-id': '1',
  'ce-source': '/shop',
  'ce-type': TOPIC,
  'content-type': 'application/json',
};
const CLOUD_EVENT = `{"specversion":"1.0","id":"1","source":"/shop","type":"${TOPIC}","data":{"n":12345678901234567890.10}}`;
const ARRIVED = new Date('2026-11-28T12:00:00.250Z');
const PLAIN = eventText({
  topic: TOPIC,
  eventId: 'plain',
  timestamp: '2026-11-22T10:00:00.000000Z',
  source: 's',
  payload: '{}',
});

type Headers = Readonly<Record<string, string>>;

function decode(
  body: string | Uint8Array,
  headers?: Headers,
  { topic = TOPIC, bytesMax = 10_000 } = {},
): Decoded {
  const lines = Object.entries(headers ?? {}).map(([name, value]) => `${name}: ${value}\r\n`);
  const message = {
    subject: `events.${topic}`,
    data: typeof body === 'string' ? Buffer.from(body) : body,
    publishedAt: ARRIVED,
    header: (name: string) => headers?.[name],
    headerBytes: () => (headers === undefined ? undefined : Buffer.from(`NATS/1.0\r\n${lines.join('')}\r\n`)),
  };
  return decodeEvent(message, 'events', bytesMax);
}

function eventOf(decoded: Decoded): Extract<Decoded, { ok: true }>['event'] {
  if (!decoded.ok) throw new Error(`${decoded.reason}: ${decoded.detail}`);
  return decoded.event;
}

describe('a CloudEvent over NATS', () => {
  it('is read in the structured mode, with its own characters', () => {
    expect(eventOf(decode(` ${CLOUD_EVENT}\n`, STRUCTURED))).toEqual({
      topic: TOPIC,
      eventId: '/shop 1',
      timestamp: '2026-11-28T12:00:00.250000Z',
      source: '/shop',
      payload: CLOUD_EVENT,
    });
    const type = 'Application/CloudEvents; charset=utf-8';
    expect(eventOf(decode(CLOUD_EVENT, { 'Content-Type': type })).payload).toBe(CLOUD_EVENT);
  });

  it('is read without headers, as senders write it that know the binding 1.0.2', () => {
    expect(eventOf(decode(CLOUD_EVENT)).eventId).toBe('/shop 1');
    expect(eventOf(decode(CLOUD_EVENT, { 'Nats-Msg-Id': 'any' })).payload).toBe(CLOUD_EVENT);
  });

  it('is read in the binary mode, with its extensions and every digit', () => {
    const headers = { ...BINARY, 'ce-time': '2026-11-22T10:00:00.123456+07:00', 'ce-extension': '%C3%BCber' };
    const event = eventOf(decode('{"n":12345678901234567890.10}', headers));
    expect(event.timestamp).toBe('2026-11-22T03:00:00.123456Z');
    expect(JSON.parse(event.payload)).toMatchObject({
      extension: 'über',
      datacontenttype: 'application/json',
    });
    expect(event.payload).toContain('"data":{"n":12345678901234567890.10}');
  });

  it.each([
    ['names in any case', { 'Ce-SpecVersion': '1.0', 'CE-ID': '1', 'Ce-Source': '/shop', 'cE-type': TOPIC }],
    ['quoted values', { ...BINARY, 'ce-source': '"/shop"' }],
    ['a repeated name, whose first value counts', { ...BINARY, 'CE-ID': '2' }],
  ])('may have %s', (_what, headers) => {
    expect(eventOf(decode('{}', headers)).eventId).toBe('/shop 1');
  });

  it('has data of the type of its attribute, which comes before content-type', () => {
    const png = { ...BINARY, 'ce-datacontenttype': 'image/png' };
    const { payload } = eventOf(decode(new Uint8Array([0, 255]), png));
    expect(JSON.parse(payload)).toMatchObject({ datacontenttype: 'image/png', data_base64: 'AP8=' });
    expect(payload.match(/datacontenttype/g)).toHaveLength(1);
  });

  it('is not mistaken for the event that is its data', () => {
    expect(eventOf(decode(PLAIN, BINARY)).eventId).toBe('/shop 1');
    expect(eventOf(decode(PLAIN, { 'content-type': 'application/json' })).eventId).toBe('plain');
    expect(eventOf(decode(PLAIN, { 'ce-id': '1', Cookie: 'c' })).eventId).toBe('plain');
  });

  it('may have a type that is another topic than its characters say', () => {
    const headers = { ...BINARY, 'ce-type': 'com.example/a:b' };
    expect(eventOf(decode('{}', headers, { topic: 'com.example_a_b' })).topic).toBe('com.example_a_b');
  });
});

describe('a message that says it is a CloudEvent and is not a right one', () => {
  const wide = { ...BINARY, 'ce-id': '1 ', 'Nats-Msg-Id': `${TOPIC}:/shop 1 ` };
  it.each<[string, Decoded, string, string, string | undefined]>([
    [
      'another version',
      decode('1', { ...BINARY, 'ce-specversion': '0.3' }),
      'invalid_event',
      'specversion must be',
      '/shop 1',
    ],
    ['no id', decode('1', { ...BINARY, 'ce-id': '' }), 'invalid_event', 'id must be a string', undefined],
    ['another time', decode('1', { ...BINARY, 'ce-time': 'now' }), 'invalid_event', 'RFC 3339', '/shop 1'],
    [
      'another subject',
      decode('1', BINARY, { topic: 'other' }),
      'subject_mismatch',
      `type ${TOPIC}`,
      '/shop 1',
    ],
    [
      'a batch',
      decode(`[${CLOUD_EVENT}]`, { 'content-type': 'application/cloudevents-batch+json' }),
      'invalid_event',
      'a message is one CloudEvent',
      undefined,
    ],
    [
      'another format',
      decode('1', { 'content-type': 'application/cloudevents+protobuf' }),
      'invalid_event',
      'in the JSON format',
      undefined,
    ],
    ['no JSON', decode('{', STRUCTURED), 'not_json', 'JSON', undefined],
    ['an array', decode('[]', STRUCTURED), 'invalid_event', 'a CloudEvent must be a JSON object', undefined],
    ['no UTF-8', decode(new Uint8Array([0xff]), STRUCTURED), 'not_utf8', 'UTF-8', undefined],
    [
      'too many bytes as an event',
      decode('1'.repeat(200), BINARY, { bytesMax: 300 }),
      'too_large',
      'as an event',
      '/shop 1',
    ],
    [
      'what Postgres cannot store',
      decode(CLOUD_EVENT.replace('"n"', String.raw`"\u0000"`), STRUCTURED),
      'invalid_event',
      'a CloudEvent must not hold',
      undefined,
    ],
    [
      'a name that JSON spells otherwise',
      decode(CLOUD_EVENT.replace('data', 'Data')),
      'invalid_event',
      'a-z and 0-9',
      '/shop 1',
    ],
    [
      'an id that its header loses',
      decode(CLOUD_EVENT.replace('"1"', '"1 "'), { ...STRUCTURED, 'Nats-Msg-Id': wide['Nats-Msg-Id'] }),
      'invalid_event',
      'ends with white space',
      '/shop 1 ',
    ],
  ])('has a clear reason for %s', (_what, decoded, reason, detail, eventId) => {
    if (decoded.ok) throw new Error('it was decoded');
    expect([decoded.reason, decoded.eventId]).toEqual([reason, eventId]);
    expect(decoded.detail).toContain(detail);
  });

  it('never throws, and gives an event or a storable reason', () => {
    const name = fc.oneof(fc.constantFrom(...Object.keys(BINARY), 'ce-data', 'CE-Time'), fc.string());
    const value = fc.oneof(
      fc.constantFrom(...Object.values(BINARY), '%ff', '"\\'),
      fc.string({ unit: 'binary' }),
    );
    const body = fc.oneof(fc.string(), fc.json(), fc.constant(CLOUD_EVENT), fc.constant(PLAIN));
    fc.assert(
      fc.property(fc.dictionary(name, value), fc.boolean(), body, (headers, isWhole, data) => {
        const decoded = decode(data, isWhole ? { ...BINARY, ...headers } : headers);
        const text = decoded.ok ? eventText(decoded.event) : decoded.detail;
        expect(text.length).toBeGreaterThan(0);
        expect(text.isWellFormed() && !text.includes('\0')).toBe(true);
      }),
      { numRuns: 2_000 },
    );
  });
});
