import { describe, expect, it } from '@jest/globals';
import { WEBHOOK_HEADERS, type HmacRules, type WebhookSecret } from '#contracts';
import { deliveredEvent } from './delivered-event.js';

const NOW_MS = Date.parse('2026-11-22T10:00:00.123Z');

function eventOf(
  provider: WebhookSecret['provider'],
  headers: Readonly<Record<string, string>>,
  body: string | Buffer,
  more: { rules?: Partial<HmacRules>; signedAt?: string; kept?: string[] } = {},
) {
  const secret = {
    secret_id: '0'.repeat(16),
    name: 'test',
    topic: 'a.b',
    provider,
    source: provider,
    secret: '',
    tolerance_seconds: 300,
    headers: more.kept ?? WEBHOOK_HEADERS[provider],
    rules: (more.rules ?? null) as HmacRules | null,
  };
  const signedBy = { secret, signedAt: more.signedAt };
  return deliveredEvent('a.b', { headers, body: Buffer.from(body) }, signedBy, NOW_MS);
}

const JSON_TYPE = { 'content-type': 'application/json' };

describe('a delivered event', () => {
  it.each([
    ['standard', { 'webhook-id': 'msg_1' }, '{}', 'msg_1'],
    ['standard', { 'svix-id': 'msg_2' }, '{}', 'msg_2'],
    [
      'github',
      { 'x-github-delivery': '72d3162e-cc78-11e3-81ab-4c9367dc0958' },
      '{}',
      '72d3162e-cc78-11e3-81ab-4c9367dc0958',
    ],
    ['stripe', { 'idempotency-key': 'other' }, ' {"object":"event","id":"evt_1"}', 'evt_1'],
    ['shopify', { 'x-shopify-webhook-id': 'b54557e4', 'x-shopify-event-id': '98880550' }, '{}', 'b54557e4'],
  ] as const)('of %s has the id of the delivery', (provider, headers, body, id) => {
    const { event, idOrigin } = eventOf(provider, { ...JSON_TYPE, ...headers }, body);
    expect([event.eventId, idOrigin]).toEqual([id, 'given']);
  });

  it('of rules has the id that they name, else the hash of source and payload', () => {
    const inHeader = eventOf('hmac', { 'x-id': 'ü' }, '{}', { rules: { id_header: 'x-id' } });
    expect(inHeader.event.eventId).toBe('ü');
    const rules = { id_field: '/event/id' };
    const inBody = eventOf('hmac', JSON_TYPE, '{"event":{"id":12345678901234567890}}', { rules });
    expect(inBody.event.eventId).toBe('12345678901234567890');
    const hashed = [
      eventOf('hmac', JSON_TYPE, '{"a":1,"b":2}', { rules, signedAt: '2026-11-22T10:00:00.000000Z' }),
      eventOf('hmac', JSON_TYPE, '{"b": 2, "a":1}', { rules }),
      eventOf('hmac', JSON_TYPE, '{"a":1,"b":3}', { rules }),
    ];
    expect(hashed.map(({ idOrigin }) => idOrigin)).toEqual(Array(3).fill('hashed_record'));
    expect(hashed[0]?.event.eventId).toBe(hashed[1]?.event.eventId);
    expect(hashed[2]?.event.eventId).not.toBe(hashed[1]?.event.eventId);
  });

  it('reads an id in the bytes of UTF-8, and hashes one that is too long', () => {
    const latin1 = Buffer.from('Ω').toString('latin1');
    expect(eventOf('github', { 'x-github-delivery': latin1 }, '{}').event.eventId).toBe('Ω');
    const long = eventOf('github', { 'x-github-delivery': 'x'.repeat(300) }, '{}');
    expect(long.idOrigin).toBe('hashed_id');
  });

  it('has the signed time, else the time of arrival', () => {
    const signedAt = '2026-11-22T09:59:58.000000Z';
    expect(eventOf('stripe', {}, '{}', { signedAt }).event.timestamp).toBe(signedAt);
    expect(eventOf('github', {}, '{}').event.timestamp).toBe('2026-11-22T10:00:00.123000Z');
  });

  it('keeps the named headers, and the characters of the body', () => {
    const headers = {
      ...JSON_TYPE,
      'x-github-event': 'push',
      'x-github-delivery': '1',
      'x-hub-signature-256': 'sha256=00',
      'user-agent': 'GitHub-Hookshot/1',
    };
    const { event } = eventOf('github', headers, '{"n": 12345678901234567890.10}\n');
    expect(event.payload).toBe(
      '{"headers":{"content-type":"application/json","x-github-event":"push"},"body":{"n": 12345678901234567890.10}}',
    );
    const other = eventOf('github', headers, '{}', { kept: ['user-agent', 'x-missing'] });
    expect(other.event.payload).toBe('{"headers":{"user-agent":"GitHub-Hookshot/1"},"body":{}}');
  });

  it.each([
    ['application/x-www-form-urlencoded', 'payload=%7B%7D', '"body":"payload=%7B%7D"'],
    ['text/plain', '17', '"body":"17"'],
    ['application/json', '{"a":1},"body":2', '"body_base64":"eyJhIjoxfSwiYm9keSI6Mg=="'],
    ['application/octet-stream', Buffer.from([0, 255]), '"body_base64":"AP8="'],
    ['application/json', '{"a":"\\u0000"}', '"body_base64":"eyJhIjoiXHUwMDAwIn0="'],
    ['application/json', '[1]', '"body":[1]'],
    ['application/json', '', '"body_base64":""'],
  ])('keeps a body of %s, even one that Postgres cannot keep as JSON', (type, body, member) => {
    const { event } = eventOf('hmac', { 'content-type': type }, body, { rules: {}, kept: [] });
    expect(event.payload).toBe(`{"headers":{},${member}}`);
  });
});
