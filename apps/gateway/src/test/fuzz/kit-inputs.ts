/** Inputs in the forms of other clients: compressed bodies, lines and CloudEvents. */
import { randomUUID } from 'node:crypto';
import { brotliCompressSync, deflateRawSync, deflateSync, gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { changedEvent, validEvent } from './event-texts.js';
import { request, type Headers } from './request-bytes.js';

/** The kinds of these inputs. */
export type KitKind = 'publish: compressed' | 'publish: lines' | 'cloudevents';

/** One input to the open gateway, see `HttpInput`. */
export interface KitInput {
  readonly kind: KitKind;
  readonly door: 'open';
  readonly bytes: Buffer;
  readonly body?: string;
  readonly then: 'wait';
  readonly right?: readonly number[];
}

const JSON_TYPE: readonly [string, string] = ['Content-Type', 'application/json'];
const BOMB = Buffer.alloc(20_000_000, 0x20);
const REFUSED = [400, 413, 415, 422];
const BOMBS: readonly (readonly [string, Buffer])[] = [
  ['gzip', gzipSync(BOMB)],
  ['gzip, gzip', gzipSync(gzipSync(BOMB))],
  ['br', brotliCompressSync(BOMB.subarray(0, 1_000_000))],
  ['deflate', deflateSync(BOMB)],
  ['deflate', deflateRawSync(BOMB)],
  ['GZIP', gzipSync('[]')],
  ['zstd', Buffer.from('[]')],
];
const ENCODERS: readonly (readonly [string, (text: string) => Buffer])[] = [
  ['gzip', (text) => gzipSync(text)],
  ['deflate', (text) => deflateSync(text)],
  ['br', (text) => brotliCompressSync(text)],
];

const bomb: fc.Arbitrary<KitInput> = fc.constantFrom(...BOMBS).map(([encoding, body]) => ({
  kind: 'publish: compressed',
  door: 'open',
  bytes: request('POST', '/publish', [JSON_TYPE, ['Content-Encoding', encoding]], body),
  then: 'wait',
  right: REFUSED,
}));

/** A compressed event, whole or with one byte changed, which its check sum finds. */
const packed: fc.Arbitrary<KitInput> = fc
  .tuple(fc.constantFrom(...ENCODERS), validEvent, fc.option(fc.nat()))
  .map(([[encoding, encode], event, broken]) => {
    const body = JSON.stringify(event);
    const bytes = encode(body);
    // Brotli has no check sum, so a changed byte may give other data.
    const isBroken = broken !== null && encoding !== 'br';
    if (isBroken) bytes.writeUInt8((bytes.at(-1) ?? 0) ^ (1 + (broken % 255)), bytes.length - 1);
    return {
      kind: 'publish: compressed',
      door: 'open',
      bytes: request('POST', '/publish', [JSON_TYPE, ['Content-Encoding', encoding]], bytes),
      body,
      then: 'wait',
      right: isBroken ? [400] : [202],
    };
  });

/** Valid, changed and broken lines. The body names an event or null for each of them. */
const lines: fc.Arbitrary<KitInput> = fc
  .tuple(
    fc.array(
      fc.oneof(
        { weight: 4, arbitrary: validEvent.map((event) => JSON.stringify(event)) },
        { weight: 2, arbitrary: changedEvent },
        {
          weight: 1,
          arbitrary: fc.constantFrom('', ' ', '{', '[]', 'null', '"', '\u00ff', '{}{}', '{"a":1}'),
        },
      ),
      { minLength: 1, maxLength: 8 },
    ),
    fc.constantFrom('application/x-ndjson', 'application/jsonl', 'application/stream+json'),
    fc.constantFrom('\n', '\r\n'),
    fc.boolean(),
  )
  .map(([texts, type, end, isPacked]) => {
    const text = texts.join(end);
    const named = text.split('\n').map((line) => (isJson(line) ? line : 'null'));
    const headers: Headers = [
      ['Content-Type', type],
      ...(isPacked ? [['Content-Encoding', 'gzip'] as const] : []),
    ];
    const bytes = request('POST', '/publish', headers, isPacked ? gzipSync(text) : text);
    return {
      kind: 'publish: lines',
      door: 'open',
      bytes,
      body: `[${named.join(',')}]`,
      then: 'wait',
      right: [202, 422],
    };
  });

/** CloudEvents in each mode, and some that are none. The body names the events that they become. */
const cloudEvents: fc.Arbitrary<KitInput> = fc
  .tuple(
    validEvent,
    fc.constantFrom('structured', 'batch', 'binary'),
    fc.constantFrom('1.0', '1.0', '1.0', '0.3', ''),
  )
  .map(([{ topic, payload }, mode, specversion]) => {
    const [id, source] = [randomUUID(), '/fuzz'];
    const attributes = { specversion, id, source, type: topic };
    const cloudEvent =
      mode === 'binary'
        ? { ...attributes, datacontenttype: 'application/json', data: payload }
        : { ...attributes, data: payload, extension: 1 };
    const headers: Headers =
      mode === 'binary'
        ? [
            JSON_TYPE,
            ...Object.entries(attributes).map(([name, value]) => [`ce-${name}`, String(value)] as const),
          ]
        : [['Content-Type', `application/cloudevents${mode === 'batch' ? '-batch' : ''}+json`]];
    const sent = mode === 'binary' ? payload : mode === 'batch' ? [cloudEvent] : cloudEvent;
    return {
      kind: 'cloudevents',
      door: 'open',
      bytes: request('POST', '/cloudevents', headers, JSON.stringify(sent)),
      body: JSON.stringify({ topic, event_id: `${source} ${id}`, source, payload: cloudEvent }),
      then: 'wait',
      right: specversion === '1.0' ? [202] : [415, 422],
    };
  });

/** Each of these forms. */
export const kitInputs: fc.Arbitrary<KitInput> = fc.oneof(
  { weight: 10, arbitrary: bomb },
  { weight: 20, arbitrary: packed },
  { weight: 40, arbitrary: lines },
  { weight: 30, arbitrary: cloudEvents },
);

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
