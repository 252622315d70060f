/** A push in both of its formats. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { readWrittenEvent } from '#contracts';
import { ProblemError } from '../problems/problem-error.js';
import { jsonEntries } from './json-push.js';
import { LokiEvents, type LokiDefaults } from './loki-event.js';
import { protobufEntries } from './protobuf-push.js';
import type { LokiEntry } from './push.js';
import { protobufPush, type WrittenStream } from './test/protobuf-push.js';

const DEFAULTS = { topic: undefined, source: 'loki', tenant: undefined };
const NOON = '1795341600123456789';

/** What the entries become: events as text, or what is wrong. */
function bodiesOf(entries: Iterable<LokiEntry>, defaults: LokiDefaults = DEFAULTS): string[] {
  const events = new LokiEvents(defaults, 262_144);
  return [...entries].map((entry) => {
    const checked = events.check(entry);
    return checked.valid ? checked.body : JSON.stringify(checked.errors);
  });
}

const jsonPush = (streams: readonly WrittenStream[]): Buffer =>
  Buffer.from(
    JSON.stringify({
      streams: streams.map(({ labels, entries }) => ({
        stream: labels,
        values: entries.map(({ ns, line, metadata }) => [ns, line, ...(metadata ? [metadata] : [])]),
      })),
    }),
  );

const fromJson = (text: string, defaults?: LokiDefaults): string[] =>
  bodiesOf(jsonEntries(Buffer.from(text)), defaults);
const one = (stream: string, value: string): string =>
  `{"streams":[{"stream":${stream},"values":[${value}]}]}`;

function refusalOf(read: () => unknown): string {
  try {
    read();
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 400) return error.message;
    throw error;
  }
  return '';
}

describe('a push', () => {
  it('gives the same events in JSON and in protobuf', () => {
    const text = fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.toWellFormed());
    const name = fc.constantFrom('app', 'job', 'host', 'level', 'a_b', 'namespace');
    const entry = fc.record(
      {
        ns: fc.bigInt({ min: 0n, max: 4_000_000_000_000_000_000n }).map(String),
        line: text,
        metadata: fc.dictionary(fc.string({ minLength: 1, maxLength: 5 }), text, { maxKeys: 3 }),
      },
      { requiredKeys: ['ns', 'line'] },
    );
    const stream = fc.record({
      labels: fc.dictionary(name, text, { maxKeys: 4 }),
      entries: fc.array(entry, { maxLength: 4 }),
    });
    fc.assert(
      fc.property(fc.array(stream, { maxLength: 4 }), (streams) => {
        const bodies = bodiesOf(jsonEntries(jsonPush(streams)));
        expect(bodiesOf(protobufEntries(protobufPush(streams)))).toEqual(bodies);
        expect(bodies).toHaveLength(streams.flatMap(({ entries }) => entries).length);
        for (const body of bodies) expect([body, readWrittenEvent(body)]).not.toEqual([body, undefined]);
      }),
      { numRuns: 300 },
    );
  });

  it('becomes events with everything that it says', () => {
    const [body = ''] = fromJson(
      one(
        '{"level":"info","service_name":"check/out","host":"h1"}',
        `["${NOON}","paid 12345678901234567890 €",{"trace_id":"abc","n":"1"}]`,
      ),
    );
    expect(readWrittenEvent(body)).toEqual({
      topic: 'check_out',
      eventId: expect.stringMatching(/^sha256:[\w-]{43}$/),
      timestamp: '2026-11-22T10:00:00.123456Z',
      source: 'h1',
      payload: `{"line":"paid 12345678901234567890 €","labels":{"host":"h1","level":"info","service_name":"check/out"},"metadata":{"n":"1","trace_id":"abc"},"timestamp_ns":"${NOON}"}`,
    });
  });

  it('has the same ids again for the same records, in any order of labels, and others for others', () => {
    const idOf = (text: string, defaults?: LokiDefaults): string =>
      readWrittenEvent(fromJson(text, defaults)[0] ?? '')?.eventId ?? '';
    const base = idOf(one('{"app":"a","job":"b"}', `["${NOON}","line"]`));
    expect(idOf(one('{ "job": "b", "app": "\\u0061" }', `[ "${NOON}" , "l\\u0069ne" ]`))).toBe(base);
    expect(idOf(one('{"app":"a","job":"b"}', `["${NOON}","line",{}]`))).toBe(base);
    const others = [
      one('{"app":"a","job":"c"}', `["${NOON}","line"]`),
      one('{"app":"a","job":"b"}', `["${NOON.slice(0, -1)}8","line"]`),
      one('{"app":"a","job":"b"}', `["${NOON}","line "]`),
      one('{"app":"a","job":"b"}', `["${NOON}","line",{"x":"1"}]`),
    ].map((text) => idOf(text));
    const tenant = idOf(one('{"app":"a","job":"b"}', `["${NOON}","line"]`), { ...DEFAULTS, tenant: 't' });
    expect(new Set([base, ...others, tenant]).size).toBe(6);
    const equal = fromJson(one('{"app":"a"}', `["${NOON}","x"],["${NOON}","x"],["${NOON}","x"]`));
    expect(equal.map((body) => readWrittenEvent(body)?.eventId.slice(50))).toEqual(['', '.2', '.3']);
  });

  it.each([
    ['app', '{"job":"j","app":"a"}', 'a'],
    ['job', '{"service_name":"s","job":"j"}', 'j'],
    ['service_name', '{"service_name":"s","app":""}', 's'],
    ['nothing', '{"level":"info"}', 'loki'],
  ])('has its topic from the label %s', (_label, labels, topic) => {
    const text = one(labels, `["${NOON}","x"]`);
    expect(readWrittenEvent(fromJson(text)[0] ?? '')?.topic).toBe(topic);
    const [bound = ''] = fromJson(text, { ...DEFAULTS, topic: 'logs.all' });
    expect(readWrittenEvent(bound)?.topic).toBe('logs.all');
  });

  it('in JSON may have its members in any order, others among them, and values that are no strings', () => {
    const bodies = fromJson(
      `\uFEFF{"a":[{"b":[1,"]}"]}],"streams":[{"values":[["${NOON}","x",null,1]],"c":-1.5e3,"stream":{"app":"a","n":1,"b":true,"none":null}}]} `.replace(
        'null,1',
        '{},1',
      ),
    );
    expect(JSON.parse(bodies[0] ?? '')).toMatchObject({
      topic: 'a',
      payload: { labels: { app: 'a', n: '1', b: 'true' } },
    });
  });

  it('keeps a line with a zero character as bytes, and half of a surrogate pair as Loki does', () => {
    const [zero = '', half = ''] = fromJson(one('{}', `["1","a\\u0000b"],["1","\\ud83d"]`));
    expect(JSON.parse(zero)).toMatchObject({ payload: { line: { base64: 'YQBi' } } });
    expect(JSON.parse(half)).toMatchObject({ payload: { line: '\uFFFD' } });
  });

  it.each([
    ['a time that is none', one('{}', '["now","x"]'), 'timestamp'],
    ['a time before 1970', one('{}', '["-5","x"]'), 'timestamp'],
    ['labels that are too long', one(`{"a":"${'x'.repeat(5_000)}"}`, '["1","x"]'), 'labels'],
    ['a line that is too long', one('{}', `["1","${'x'.repeat(300_000)}"]`), 'event'],
  ])('names what is wrong with %s, and takes the others', (_what, text, field) => {
    const more = text.replace(/]}]}$/, ',["2","fine"]]}]}').replaceAll(`"a":"${'x'.repeat(5_000)}"`, '');
    expect(JSON.parse(fromJson(text)[0] ?? '')).toMatchObject([{ field }]);
    expect(JSON.parse(fromJson(more).at(-1) ?? '')).toMatchObject({ payload: { line: 'fine' } });
  });

  it.each([
    '',
    '[]',
    '{',
    '{"streams":',
    '{"streams":[}',
    '{"streams":[{}]}',
    '{"streams":[{"stream":[]}]}',
    '{"streams":[{"stream":{"a":[]}}]}',
    one('{}', '["1"]'),
    one('{}', '["1",2]'),
    one('{}', '["1","x"'),
    one('{}', '["1","x"],'),
    one('{}', '["1","\\x"]'),
    one('{}', '["1","x'),
    `${one('{}', '["1","x"]')}x`,
    '{"a":nul,"streams":[]}',
    `{"a":${'1'.repeat(100)}}`,
    '['.repeat(100_000),
  ])('is refused when it is not such JSON (%#)', (text) => {
    expect(refusalOf(() => fromJson(text))).toMatch(
      /^The push cannot be read: .+ may have been published\.$/,
    );
  });

  it.each([
    ['a field that ends behind the message', [0x0a, 0x05, 0x01]],
    ['a field without a number', [0x00]],
    ['a group', [0x0b]],
    ['a number without an end', [0x80]],
    ['a number of eleven bytes', [0x08, ...Array<number>(11).fill(0x80)]],
  ])('is refused when it is not such protobuf: %s', (_what, bytes) => {
    expect(refusalOf(() => bodiesOf(protobufEntries(Buffer.from(bytes))))).toContain('cannot be read');
  });

  it('in protobuf passes over what it does not know', () => {
    const known = protobufPush([{ labels: { app: 'a' }, entries: [{ ns: NOON, line: 'x' }] }]);
    const unknown = Buffer.from([0x18, 0x01, 0x21, 1, 2, 3, 4, 5, 6, 7, 8, 0x2d, 1, 2, 3, 4, 0x32, 1, 0]);
    expect(bodiesOf(protobufEntries(Buffer.concat([unknown, known])))).toEqual(
      bodiesOf(protobufEntries(known)),
    );
  });
});
