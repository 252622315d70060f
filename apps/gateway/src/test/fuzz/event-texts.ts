/** JSON texts of events: valid ones, ones with one mistake, and ones that are too deep, too large or not JSON. */
import { randomUUID } from 'node:crypto';
import fc from 'fast-check';
import { word } from './words.js';

const FIELDS = ['topic', 'event_id', 'timestamp', 'source', 'payload'] as const;
const TOPICS = [
  'orders.created',
  'a',
  'logs.web',
  'A-b_9.x',
  'x'.repeat(64),
  'a.b.c.d.e.f.g.h.i.j.k.l.m.n.o.p',
];

/** Well-formed, and without the control characters that no id may have. */
const name = fc.oneof(word, fc.constant('é日👍')).map((text) =>
  text
    .replace(/\p{Cc}/gu, '')
    .slice(0, 200)
    .toWellFormed(),
);

/** JSON that Postgres can hold: no zero character, no half of a pair, numbers within bounds. */
const payloadValue = fc.jsonValue({ maxDepth: 3, stringUnit: 'grapheme' }).map(storable);

/** A valid event. Most ids are new, but a few repeat. */
export const validEvent: fc.Arbitrary<Record<string, unknown>> = fc
  .record({
    topic: fc.constantFrom(...TOPICS),
    prefix: name,
    repeats: fc.integer({ min: 0, max: 19 }),
    number: fc.integer({ min: 0, max: 50 }),
    timestamp: fc.constantFrom(
      '2026-11-22T10:00:00Z',
      '2026-11-22T10:00:00.123456+07:00',
      '1970-01-01T00:00:00-12:00',
    ),
    source: name.map((text) => `s${text}`),
    payload: fc.dictionary(name, payloadValue, { maxKeys: 4 }),
  })
  .map(({ topic, prefix, repeats, number, timestamp, source, payload }) => ({
    topic,
    // It is not drawn from the seed, because two runs on one system must not be repeats of each other.
    event_id: repeats === 0 ? `again-${number}` : `${prefix}${randomUUID()}`,
    timestamp,
    source,
    payload,
  }));

/** A value of a random type instead of the expected one. */
const wrongValue: fc.Arbitrary<unknown> = fc.oneof(
  word,
  fc.jsonValue({ maxDepth: 2 }),
  fc.constantFrom(null, true, 0, -0, 1e308, [], {}, [[]], ''),
);

/**
 * An event with one member changed, missing, doubled or added. It is text, because an object cannot represent all of
 * these.
 */
export const changedEvent: fc.Arbitrary<string> = fc
  .tuple(validEvent, fc.constantFrom(...FIELDS), wrongValue, word, fc.integer({ min: 0, max: 5 }))
  .map(([event, field, value, text, way]) => {
    const others = Object.fromEntries(Object.entries(event).filter(([name]) => name !== field));
    if (way === 0) return JSON.stringify(others);
    if (way === 1) return JSON.stringify({ ...event, [text]: value });
    if (way === 2) return `{"${field}":${JSON.stringify(value)},${JSON.stringify(event).slice(1)}`;
    if (way === 3) return JSON.stringify({ ...event, payload: { [text]: value, text } });
    return JSON.stringify({ ...others, [field]: value });
  });

/** Texts that are hard on a parser: depth, size, numbers, escapes. */
export const hardText: fc.Arbitrary<string> = fc
  .tuple(fc.integer({ min: 0, max: 13 }), fc.integer({ min: 1, max: 20_000 }), validEvent)
  .map(([way, size, event]) => {
    const payload = hardPayload(way, size);
    return payload === undefined
      ? '['.repeat(size * 5)
      : JSON.stringify({ ...event, payload: 0 }).replace('"payload":0', () => `"payload":${payload}`);
  });

function hardPayload(way: number, size: number): string | undefined {
  const nested = `${'{"a":'.repeat(size % 1_200)}1${'}'.repeat(size % 1_200)}`;
  return [
    undefined,
    nested,
    `{"a":${'['.repeat(size % 700)}${']'.repeat(size % 700)}}`,
    `{"n":${'9'.repeat(size % 1_500)}}`,
    `{"n":1e${size}}`,
    `{"n":-1e-${size}}`,
    `{"n":[${Array.from({ length: size % 400 }, () => '1e399').join()}]}`,
    `{"s":"${'\\ud83d'.repeat(size % 300)}"}`,
    `{"s":"${'\\u0000'.repeat(1 + (size % 3))}"}`,
    `{"s":"${'x'.repeat(size * 15)}"}`,
    `{${Array.from({ length: size % 3_000 }, (_, n) => `"k${n}":${n}`).join()}}`,
    `{${Array.from({ length: size % 300 }, () => '"k":1').join()}}`,
    `{"__proto__":{"a":1},"constructor":{"prototype":{"a":1}},"n":-0,"u":"\\u00e9é"}`,
    `{"a":1,}`,
  ][way];
}

const NOT_UTF8 = [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xc0, 0xaf]];

/** An event that would be valid, if some bytes of its source were UTF-8. */
export const eventNotUtf8: fc.Arbitrary<Buffer> = fc
  .tuple(validEvent, fc.constantFrom(...NOT_UTF8))
  .map(([event, wrong]) => {
    const text = Buffer.from(JSON.stringify(event));
    const at = text.indexOf('"source":"') + 10;
    return Buffer.concat([text.subarray(0, at), Buffer.from(wrong), text.subarray(at)]);
  });

/** Any JSON, with the special words in it. */
export const anyJson: fc.Arbitrary<string> = fc.oneof(
  fc.json({ maxDepth: 4 }),
  fc.array(wrongValue, { maxLength: 5 }).map((value) => JSON.stringify(value)),
  fc.dictionary(word, wrongValue, { maxKeys: 5 }).map((value) => JSON.stringify(value)),
  wrongValue.map((value) => JSON.stringify({ events: value })),
);

function storable(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value).replaceAll('\\u0000', ''), (_, inner: unknown) =>
    typeof inner === 'string' ? inner.toWellFormed() : inner,
  );
}
