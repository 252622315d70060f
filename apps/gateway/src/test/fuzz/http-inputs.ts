/**
 * The bytes that are sent to the gateways: everything that a client may do with a socket, and some of what only an
 * attacker does.
 */
import { isUtf8 } from 'node:buffer';
import fc from 'fast-check';
import { bulkInputs, type BulkKind } from './bulk-inputs.js';
import { doorInputs, type DoorKind } from './door-inputs.js';
import { anyJson, changedEvent, eventNotUtf8, hardText, validEvent } from './event-texts.js';
import { kitInputs, type KitKind } from './kit-inputs.js';
import { logInputs, type LogKind } from './log-inputs.js';
import { otlpInputs, type OtlpInput } from './otlp-inputs.js';
import { operatorInputs, type OperatorKind } from './operator-inputs.js';
import { request, smuggled, type Headers } from './request-bytes.js';
import { webhookInputs, type WebhookKind } from './webhook-inputs.js';
import { bytes, word } from './words.js';

/** The kinds of input over HTTP. */
export type HttpKind =
  | 'publish: valid'
  | 'publish: one thing wrong'
  | 'publish: any JSON'
  | 'publish: deep and large'
  | 'publish: random bytes'
  | KitKind
  | BulkKind
  | WebhookKind
  | LogKind
  | OperatorKind
  | 'publish: headers'
  | DoorKind
  | OtlpInput['kind']
  | 'events: query'
  | 'any path'
  | 'keys: wrong'
  | 'keys: topics'
  | 'raw bytes'
  | 'left half-way';

/** One input. */
export interface HttpInput {
  readonly kind: HttpKind;
  /** The gateway: `open`, or `keyed`, which requires keys. */
  readonly door: 'open' | 'keyed';
  readonly bytes: Buffer;
  /** The body of a `POST /publish`. It shows which events were sent. */
  readonly body?: string;
  /** What the client does after the last byte: waits for the answer, half-closes, resets, or goes silent. */
  readonly then: 'wait' | 'half-close' | 'reset' | 'silence';
  /** The correct statuses, where the kind defines them. */
  readonly right?: readonly number[];
  /** Whether its events may be stored although no answer was read. */
  readonly unread?: boolean;
}

/** Tokens of the keyed gateway. */
export interface FuzzTokens {
  /** It may publish to `logs.>` and read it. */
  readonly bound: string;
  /** What keys the secrets of webhooks: see `webhookSecrets`. */
  readonly webhookKey: Buffer;
}

const JSON_TYPE: readonly [string, string] = ['Content-Type', 'application/json'];
/** The weights give the share of each kind, in about a thousand. */
export function httpInputs(tokens: FuzzTokens): fc.Arbitrary<HttpInput> {
  return fc.oneof(
    {
      weight: 180,
      arbitrary: publish('publish: valid', batch(validEvent.map((event) => JSON.stringify(event))), [202]),
    },
    { weight: 90, arbitrary: publish('publish: one thing wrong', batch(changedEvent)) },
    { weight: 80, arbitrary: publish('publish: any JSON', anyJson) },
    { weight: 30, arbitrary: publish('publish: deep and large', fc.oneof(hardText, batch(hardText))) },
    { weight: 60, arbitrary: randomBody },
    { weight: 70, arbitrary: kitInputs },
    { weight: 40, arbitrary: bulkInputs },
    { weight: 60, arbitrary: webhookInputs(tokens.webhookKey) },
    { weight: 30, arbitrary: logInputs },
    { weight: 60, arbitrary: operatorInputs },
    { weight: 44, arbitrary: doorInputs },
    { weight: 40, arbitrary: strangeHeaders },
    { weight: 40, arbitrary: otlpInputs },
    { weight: 56, arbitrary: query },
    { weight: 60, arbitrary: anyPath },
    { weight: 50, arbitrary: wrongKey(tokens) },
    { weight: 50, arbitrary: boundKey(tokens) },
    { weight: 57, arbitrary: rawBytes },
    { weight: 3, arbitrary: leftHalfWay },
  );
}

/** One text alone, or some as an array or as `events`. */
function batch(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  return fc
    .tuple(fc.array(text, { minLength: 1, maxLength: 3 }), fc.integer({ min: 0, max: 3 }))
    .map(([texts, form]) => {
      if (form === 0) return `[${texts.join(',')}]`;
      if (form === 1) return `{"events":[${texts.join(' , ')}]}`;
      return texts[0] ?? '';
    });
}

function publish(
  kind: HttpKind,
  body: fc.Arbitrary<string>,
  right?: readonly number[],
): fc.Arbitrary<HttpInput> {
  return fc.tuple(body, fc.boolean()).map(([text, lenient]) => ({
    kind,
    door: 'open' as const,
    bytes: request(
      'POST',
      '/publish',
      [JSON_TYPE, ...(lenient ? [['Prefer', 'handling=lenient'] as const] : [])],
      text,
    ),
    body: text,
    then: 'wait' as const,
    ...(right === undefined ? {} : { right }),
  }));
}

const randomBody: fc.Arbitrary<HttpInput> = fc
  .oneof(
    bytes(200),
    word.map((text) => Buffer.from(text)),
    eventNotUtf8,
  )
  .map((body) => ({
    kind: 'publish: random bytes',
    door: 'open',
    bytes: request('POST', '/publish', [JSON_TYPE], body),
    body: body.toString('latin1'),
    then: 'wait',
    ...(isUtf8(body) ? {} : { right: [400] }),
  }));

const HEADER_NAMES = [
  'Content-Type',
  'Content-Length',
  'Transfer-Encoding',
  'Content-Encoding',
  'Prefer',
  'Expect',
];
const MORE_HEADER_NAMES = [
  'X-Request-Id',
  'Authorization',
  'X-Api-Key',
  'X-Forwarded-For',
  'Host',
  'Upgrade',
  'Connection',
  'Cookie',
];

const strangeHeaders: fc.Arbitrary<HttpInput> = fc
  .tuple(fc.constantFrom(...HEADER_NAMES, ...MORE_HEADER_NAMES), word, validEvent, fc.boolean())
  .map(([name, value, event, replaced]) => {
    const body = JSON.stringify(event);
    const headers: Headers =
      replaced && name === 'Content-Type' ? [[name, value]] : [JSON_TYPE, [name, value]];
    return {
      kind: 'publish: headers',
      door: 'open',
      bytes: request('POST', '/publish', headers, body),
      body,
      then: 'wait',
    };
  });

/** For each parameter, values that are valid or nearly so. A fully invalid query is refused at its first parameter. */
const NEARLY: Readonly<Record<string, readonly string[]>> = {
  topic: ['orders.created', 'a', 'none', 'a b'],
  source: ['s', 'checkout', "'"],
  since: ['2026-11-22T10:00:00Z', '0001-01-01T00:00:00Z', '9999-12-31T23:59:59.999999Z', '2026-11-22'],
  until: ['2026-11-22T10:00:00Z', '0001-01-01T00:00:00-14:00', '9999-12-31T23:59:59Z', 'now'],
  limit: ['1', '7', '0', '-1', '1e3', '00002', '1.5'],
  cursor: ['1.1.5', '1.0.0', '1.2.1', '1.9999999999.1', '1.1.9999999999999999', '2.1.1'].map((text) =>
    Buffer.from(text).toString('base64url'),
  ),
  x: ['1'],
};

const parameter = fc.constantFrom(...Object.keys(NEARLY)).chain((name) => {
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.constantFrom(...(NEARLY[name] ?? [])) },
    { weight: 2, arbitrary: word },
  );
  return fc.tuple(fc.constant(name), value, fc.integer({ min: 0, max: 4 }));
});

const query: fc.Arbitrary<HttpInput> = fc.array(parameter, { maxLength: 4 }).map((parts) => {
  const text = parts.map(
    ([name, value, way]) => `${name}=${way === 0 ? value : encodeURIComponent(value.toWellFormed())}`,
  );
  // The limit is small, because this tests correctness and not load.
  const limit = parts.some(([name]) => name === 'limit') ? [] : ['limit=3'];
  return {
    kind: 'events: query',
    door: 'open',
    bytes: request('GET', `/events?${[...text, ...limit].join('&')}`),
    then: 'wait',
  };
});

const METHODS = [
  'GET',
  'GET',
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'PATCH',
  'DELETE',
  'OPTIONS',
  'TRACE',
  'PROPFIND',
  'CONNECT',
  'get',
  'G\tT',
];
const PLACES = [
  '/events/',
  '/events/a/',
  '/stats',
  '/health',
  '/health/',
  '/publish',
  '/cloudevents',
  '/webhooks/',
  '/v1/logs',
  '/',
  '',
  '//',
  '/events?limit=1&',
  'http://x/',
  '*',
];

const anyPath: fc.Arbitrary<HttpInput> = fc
  .tuple(fc.constantFrom(...METHODS), fc.constantFrom(...PLACES), word, word, fc.boolean())
  .map(([method, place, first, second, encoded]) => {
    const written = (text: string): string => (encoded ? encodeURIComponent(text.toWellFormed()) : text);
    return {
      kind: 'any path',
      door: 'open',
      bytes: request(method, `${place}${written(first)}/${written(second)}`),
      then: 'wait',
    };
  });

const TARGETS = [
  '/stats',
  '/events',
  '/events/logs.a/1',
  '/publish',
  '/nothing',
  '/cloudevents?access_token=x',
];

function wrongKey({ bound }: FuzzTokens): fc.Arbitrary<HttpInput> {
  const changed = fc.integer({ min: 0, max: bound.length - 1 }).map((at) => {
    const other = bound[at] === 'A' ? 'B' : 'A';
    return bound.slice(0, at) + other + bound.slice(at + 1);
  });
  // A line break would start another header, or a body.
  const oneLine = word.map((text) => text.replace(/[\r\n\0]/g, '')).filter((text) => text !== bound);
  return fc
    .tuple(
      fc.constantFrom(...TARGETS),
      fc.oneof(changed, oneLine),
      fc.constantFrom('Bearer ', 'bearer ', 'Basic ', ''),
      fc.boolean(),
    )
    .map(([path, token, scheme, other]) => {
      const headers: Headers = [other ? ['X-Api-Key', token] : ['Authorization', `${scheme}${token}`]];
      const bytes =
        path === '/publish'
          ? request('POST', path, [JSON_TYPE, ...headers], '{}')
          : request('GET', path, headers);
      // HTTP does not allow a control character in a header.
      return { kind: 'keys: wrong', door: 'keyed', bytes, then: 'wait', right: [400, 401, 429, 431] };
    });
}

function boundKey({ bound }: FuzzTokens): fc.Arbitrary<HttpInput> {
  const authorization = ['Authorization', `Bearer ${bound}`] as const;
  return fc
    .tuple(
      batch(
        fc.oneof(
          validEvent.map((event) => JSON.stringify({ ...event, topic: 'logs.web' })),
          validEvent.map((event) => JSON.stringify(event)),
          changedEvent,
        ),
      ),
      fc.oneof(word, fc.constantFrom('logs.web', 'logs', 'orders.created')),
      fc.boolean(),
      fc.boolean(),
    )
    .map(([body, topic, publishes, lenient]) => {
      const prefer: Headers = lenient ? [['Prefer', 'handling=lenient']] : [];
      const shared = { kind: 'keys: topics', door: 'keyed', then: 'wait' } as const;
      if (publishes)
        return {
          ...shared,
          bytes: request('POST', '/publish', [JSON_TYPE, authorization, ...prefer], body),
          body,
        };
      const path = `/events?limit=3&topic=${encodeURIComponent(topic.toWellFormed())}`;
      return { ...shared, bytes: request('GET', path, [authorization]), right: [403, 200] };
    });
}

const rawBytes: fc.Arbitrary<HttpInput> = fc
  .tuple(
    fc.oneof(
      bytes(300),
      word.map((text) => Buffer.from(text)),
      smuggled,
    ),
    fc.constantFrom('half-close' as const, 'half-close' as const, 'reset' as const),
  )
  .map(([bytes, then]) => ({ kind: 'raw bytes', door: 'open', bytes, then }));

const leftHalfWay: fc.Arbitrary<HttpInput> = fc
  .tuple(
    validEvent,
    fc.double({ min: 0, max: 1, noNaN: true }),
    fc.constantFrom('half-close', 'reset', 'silence', 'silence'),
  )
  .map(([event, part, then]) => {
    const body = JSON.stringify(event);
    const whole = request('POST', '/publish', [JSON_TYPE], body);
    const bytes = whole.subarray(0, 1 + Math.floor(part * (whole.length - 1)));
    return { kind: 'left half-way', door: 'open', bytes, body, then: then as 'reset', unread: true };
  });
