/** Deliveries of webhooks: signed ones of any content, ones with one thing wrong, and anything in their headers. */
import { isUtf8 } from 'node:buffer';
import { createHmac, randomUUID } from 'node:crypto';
import fc from 'fast-check';
import type { WebhookSecret } from '#contracts';
import { hardText, validEvent } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';
import { bytes, word } from './words.js';

/** The kinds of these inputs. */
export type WebhookKind = 'webhooks: signed' | 'webhooks: one thing wrong' | 'webhooks: headers';

/** One input to the gateway that requires keys, see `HttpInput`. */
export interface WebhookInput {
  readonly kind: WebhookKind;
  readonly door: 'keyed';
  readonly bytes: Buffer;
  readonly body?: string;
  readonly then: 'wait';
  readonly right: readonly number[];
}

const TOPIC = 'logs.hooks';
const KEPT = { 'content-type': 'application/json' };
const REFUSED = [401, 429];

/** A secret of each provider with which the inputs are signed. */
export function webhookSecrets(key: Buffer): readonly WebhookSecret[] {
  const shared = { name: 'fuzz', topic: TOPIC, tolerance_seconds: 300, headers: Object.keys(KEPT) };
  const text = key.toString('hex');
  const time = { timestamp_header: 'x-time', signed: '{timestamp}.{id}.{body}', id_header: 'x-id' };
  const rules = {
    signature_header: 'x-signature',
    algorithm: 'sha512',
    encoding: 'base64',
    prefix: 'v0=',
    ...time,
  } as const;
  const secrets = [
    { provider: 'github', secret: text, rules: null },
    { provider: 'stripe', secret: text, rules: null },
    { provider: 'standard', secret: `whsec_${key.toString('base64')}`, rules: null },
    { provider: 'hmac', secret: text, rules },
  ] as const;
  return secrets.map((secret, index) => ({
    ...shared,
    ...secret,
    secret_id: index.toString(16).repeat(16),
    source: secret.provider,
  }));
}

/** A body with its type, and the member of the payload that it becomes. */
interface Content {
  readonly type: string;
  readonly body: Buffer;
  readonly member: Readonly<Record<string, unknown>>;
}

const json: fc.Arbitrary<Content> = validEvent.map(({ payload }) => {
  const body = Buffer.from(JSON.stringify(payload));
  return { type: 'application/json', body, member: { body: payload } };
});

const text: fc.Arbitrary<Content> = fc
  .oneof(word, hardText)
  .map((written) => Buffer.from(written))
  .filter((body) => body.length < 100_000)
  .map((body) => ({
    type: 'text/plain',
    body,
    member: body.includes(0) ? { body_base64: body.toString('base64') } : { body: body.toString() },
  }));

const binary: fc.Arbitrary<Content> = bytes(200).map((body) => ({
  type: 'image/png',
  body,
  member: { body_base64: body.toString('base64') },
}));

/** What Postgres cannot keep as JSON, and what is not JSON in spite of its type. */
const broken: fc.Arbitrary<Content> = fc
  .oneof(
    fc.constantFrom('{"a":"\\u0000"}', '{"a":"\\ud800"}', '{"a":1e999}', '{"a":1},"b":{', '{', '"', ''),
    bytes(20).map((some) => `"${some.toString('latin1')}`),
  )
  .map((written) => Buffer.from(written))
  .map((body) => ({
    type: 'application/json',
    body,
    member: { body_base64: body.toString('base64') },
  }))
  .filter(({ body }) => !isUtf8(body) || !isStorable(body.toString()));

const content = fc.oneof({ weight: 4, arbitrary: json }, text, binary, broken);

/** Each of these forms. @param key of `webhookSecrets` */
export function webhookInputs(key: Buffer): fc.Arbitrary<WebhookInput> {
  return fc.oneof(
    { weight: 5, arbitrary: signed(key) },
    { weight: 3, arbitrary: wrong(key) },
    { weight: 3, arbitrary: headers },
  );
}

const path = `/webhooks/${TOPIC}`;
const provider = fc.constantFrom('github', 'stripe', 'standard', 'hmac');

function signed(key: Buffer): fc.Arbitrary<WebhookInput> {
  return fc.tuple(content, provider).map(([{ type, body, member }, source]) => {
    // Stripe has the id in the body. Without one there, it is a hash, so the account does not know it.
    const by = source === 'stripe' ? 'hmac' : source;
    const id = randomUUID();
    const payload = { headers: { 'content-type': type }, ...member };
    return {
      kind: 'webhooks: signed',
      door: 'keyed',
      bytes: request('POST', path, [['Content-Type', type], ...signature(key, by, id, body)], body),
      body: JSON.stringify({ topic: TOPIC, event_id: id, source: by, payload }),
      then: 'wait',
      right: [202],
    };
  });
}

function wrong(key: Buffer): fc.Arbitrary<WebhookInput> {
  return fc
    .tuple(content, provider, fc.constantFrom('body', 'key', 'time', 'topic', 'missing'), fc.nat())
    .map(([{ type, body }, by, what, number]) => {
      const usedKey = what === 'key' ? Buffer.alloc(key.length, number % 256) : key;
      const timed = what === 'time' ? (number % 2 === 0 ? -400_000 : 400_000) : 0;
      // GitHub signs no time.
      const chosen = what === 'time' && by === 'github' ? 'stripe' : by;
      const all = signature(usedKey, chosen, randomUUID(), body, timed);
      // The first header is the signature.
      const sent: Headers = [['Content-Type', type], ...(what === 'missing' ? all.slice(1) : all)];
      const target = what === 'topic' ? `/webhooks/logs.${number}` : path;
      const changed = what === 'body' ? Buffer.concat([body, Buffer.from([number % 256])]) : body;
      return {
        kind: 'webhooks: one thing wrong',
        door: 'keyed',
        bytes: request('POST', target, sent, changed),
        then: 'wait',
        right: REFUSED,
      };
    });
}

const HEADERS = [
  ...['X-Hub-Signature-256', 'Stripe-Signature', 'Webhook-Signature', 'Webhook-Timestamp', 'Webhook-Id'],
  ...['Svix-Signature', 'X-Signature', 'X-Time', 'X-Id', 'X-GitHub-Delivery', 'Content-Encoding'],
];
const VALUES = [
  ...[
    'sha256=',
    'sha256=00',
    't=1,v1=00',
    't=1,t=1',
    't=,v1=',
    'v1,',
    'v1,AAAA v1,',
    'v0=',
    'v0=AAAA',
    '=,=,',
  ],
  ...['1764327000', '-1', '99999999999', '1e9', '2026-11-22T10:00:00Z', 'NaN', 'gzip'],
];

/** No header of a client who does not know a secret is taken. */
const headers: fc.Arbitrary<WebhookInput> = fc
  .tuple(
    fc.array(fc.tuple(fc.constantFrom(...HEADERS), fc.oneof(fc.constantFrom(...VALUES), word)), {
      minLength: 1,
      maxLength: 5,
    }),
    content,
  )
  .map(([sent, { type, body }]) => ({
    kind: 'webhooks: headers',
    door: 'keyed',
    bytes: request('POST', path, [['Content-Type', type], ...sent], body),
    then: 'wait',
    right: [...REFUSED, 400, 413, 415, 431],
  }));

/** The headers of a signature, which is the first of them. */
function signature(key: Buffer, by: string, id: string, body: Buffer, shiftMs = 0): Headers {
  const seconds = String(Math.floor((Date.now() + shiftMs) / 1_000));
  const hash = (algorithm: string, keyed: Buffer | string, before: string): Buffer =>
    createHmac(algorithm, keyed).update(before).update(body).digest();
  const text = key.toString('hex');
  if (by === 'github') {
    const hex = hash('sha256', text, '').toString('hex');
    return [
      ['X-Hub-Signature-256', `sha256=${hex}`],
      ['X-GitHub-Delivery', id],
    ];
  }
  if (by === 'stripe')
    return [['Stripe-Signature', `t=${seconds},v1=${hash('sha256', text, `${seconds}.`).toString('hex')}`]];
  if (by === 'standard') {
    const base64 = hash('sha256', key, `${id}.${seconds}.`).toString('base64');
    return [
      ['Webhook-Signature', `v1,${base64}`],
      ['Webhook-Timestamp', seconds],
      ['Webhook-Id', id],
    ];
  }
  const base64 = hash('sha512', text, `${seconds}.${id}.`).toString('base64');
  return [
    ['X-Signature', `v0=${base64}`],
    ['X-Time', seconds],
    ['X-Id', id],
  ];
}

function isStorable(written: string): boolean {
  try {
    JSON.parse(written);
    return !/\\u0000|\\ud800|1e999/.test(written);
  } catch {
    return false;
  }
}
