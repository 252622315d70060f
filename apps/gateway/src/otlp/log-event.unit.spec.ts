/** The events of log records: the same from both encodings, to the last byte. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EVENT_BYTES_MAX, type SekaliEvent } from '#contracts';
import {
  delimited,
  fixed32,
  fixed64,
  otlpJson,
  otlpProtobuf,
  varintField,
  type OtlpGroup,
  type OtlpManner,
  type OtlpRecord,
  type OtlpValue,
} from '../test/otlp-request.js';
import type { Checked } from '../publish/publish-request.js';
import { MalformedLogsError } from './any-value.js';
import { JsonLogs } from './json-logs.js';
import { LogEvents, type LogAccess } from './log-event.js';
import type { LogReader } from './log-record.js';
import { ProtobufLogs } from './protobuf-logs.js';

const OPEN: LogAccess = { keyName: undefined, topics: null };
const ARRIVAL_MS = Date.parse('2026-11-28T10:00:00.123Z');

/** Every event of a request, or what is wrong with its record. */
function eventsOf(reader: LogReader, access = OPEN): Checked[] {
  const scan = reader.scan(() => undefined);
  let step = scan.next();
  while (step.done !== true) step = scan.next();
  const events = new LogEvents(reader, access, EVENT_BYTES_MAX, () => ARRIVAL_MS);
  return step.value.flatMap((group) => {
    const shared = events.shared(group);
    return group.records.map((place) =>
      typeof shared === 'string'
        ? { valid: false as const, errors: [{ field: 'event', message: shared }] }
        : events.event(place, shared),
    );
  });
}

const fromJson = (text: string, access = OPEN): Checked[] =>
  eventsOf(new JsonLogs(Buffer.from(text)), access);
const fromProtobuf = (bytes: Buffer, access = OPEN): Checked[] => eventsOf(new ProtobufLogs(bytes), access);

/** The one event of a record, from both encodings. */
function eventOf(record: OtlpRecord, group: Omit<OtlpGroup, 'records'> = {}, access = OPEN): Checked {
  const groups = [{ ...group, records: [record] }];
  const [first] = fromJson(otlpJson(groups), access);
  expect(fromProtobuf(otlpProtobuf(groups), access)).toStrictEqual([first]);
  if (first === undefined) throw new Error('no event');
  return first;
}

type Published = Omit<SekaliEvent, 'eventId'> & { readonly event_id: string };

/** The members of an event. Its payload is text, because its numbers have more digits than JavaScript's. */
function published(event: Checked): Published {
  if (!event.valid) throw new Error(JSON.stringify(event));
  const [, payload = ''] = /"payload":(.*)\}$/s.exec(event.body) ?? [];
  return { ...(JSON.parse(event.body) as Published), payload };
}

const text = fc.string({ unit: 'grapheme', maxLength: 20 }).map((value) => value.toWellFormed());
const value: fc.Arbitrary<OtlpValue> = fc.letrec<{ value: OtlpValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    text,
    fc.boolean(),
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.double(),
    fc.constant(null),
    fc.uint8Array({ maxLength: 9 }).map((bytes) => Buffer.from(bytes)),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.array(fc.tuple(text, tie('value')), { maxLength: 4 }).map((members) => ({ members })),
  ),
})).value;
const attributes = fc.array(fc.tuple(text, value), { maxLength: 5 });
const nanoseconds = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
const hex = (bytes: number) =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((id) => Buffer.from(id).toString('hex'));
const uint32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });

const record: fc.Arbitrary<OtlpRecord> = fc.record(
  {
    time: nanoseconds,
    observedTime: nanoseconds,
    severityNumber: fc.integer({ min: 0, max: 24 }),
    severityText: text,
    eventName: text,
    body: value,
    attributes,
    droppedAttributes: uint32,
    flags: uint32,
    traceId: hex(16),
    spanId: hex(8),
  },
  { requiredKeys: [] },
);
const group: fc.Arbitrary<OtlpGroup> = fc.record(
  {
    resource: attributes,
    resourceSchemaUrl: text,
    scope: fc.record({ name: text, version: text, attributes }, { requiredKeys: [] }),
    scopeSchemaUrl: text,
    records: fc.array(record, { maxLength: 3 }),
  },
  { requiredKeys: ['records'] },
);
const backwards: OtlpManner = { order: (fields) => fields.toReversed(), asStrings: false };

describe('the events of log records', () => {
  it('are the same from both encodings to the last byte, however a client orders what it writes', () => {
    fc.assert(
      fc.property(fc.array(group, { maxLength: 3 }), (groups) => {
        const expected = fromJson(otlpJson(groups));
        const records = groups.flatMap((one) => one.records).length;
        expect(expected).toHaveLength(records);
        expect(fromProtobuf(otlpProtobuf(groups))).toStrictEqual(expected);
        expect(fromJson(otlpJson(groups, backwards))).toStrictEqual(expected);
        expect(fromProtobuf(otlpProtobuf(groups, backwards))).toStrictEqual(expected);
      }),
      { numRuns: 200 },
    );
  });

  it('lose no digit and no type', () => {
    const record: OtlpRecord = {
      time: 2n ** 64n - 1n,
      attributes: [
        ['int', 9_223_372_036_854_775_807n],
        ['negative', -(2n ** 63n)],
        ['double', 7],
        ['tenth', 0.1],
        ['large', 1e300],
        ['zero', -0],
        ['nan', Number.NaN],
        ['infinite', Number.NEGATIVE_INFINITY],
        ['bytes', Buffer.from([0, 255, 1])],
        ['nested', { members: [['list', [1n, [2], null, { members: [['__proto__', true]] }]]] }],
      ],
    };
    const { payload, timestamp } = published(eventOf(record));
    expect(payload).toBe(
      '{"time_unix_nano":18446744073709551615,"attributes":{"bytes":"AP8B","double":7.0,"infinite":"-Infinity",' +
        '"int":9223372036854775807,"large":1e+300,"nan":"NaN","negative":-9223372036854775808,' +
        '"nested":{"list":[1,[2.0],null,{"__proto__":true}]},"tenth":0.1,"zero":-0.0}}',
    );
    expect(timestamp).toBe('2554-07-21T23:34:33.709551Z');
  });

  it.each([
    ['0.10000000000000000', '0.1'],
    ['1E2', '100.0'],
    ['"0.5"', '0.5'],
    ['3.14159265358979323846', '3.14159265358979323846'],
    ['1e400', '1e400'],
    ['1e-390', '1e-390'],
    ['-0', '-0.0'],
    ['"-Infinity"', '"-Infinity"'],
  ])('have the double %s of JSON as %s', (written, expected) => {
    const request = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"doubleValue":${written}}}]}]}]}`;
    expect(fromJson(request).map((event) => published(event).payload)).toEqual([`{"body":${expected}}`]);
  });

  it.each([
    ['"12345678901234567890"', '12345678901234567890'],
    ['1e3', '1000'],
    ['1.0', '1'],
    ['-0', '0'],
  ])('have the integer %s of JSON as %s', (written, expected) => {
    const request = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"intValue":${written}}}]}]}]}`;
    expect(fromJson(request).map((event) => published(event).payload)).toEqual([`{"body":${expected}}`]);
  });
});

describe('the identity of a log record', () => {
  const time = 1_795_341_600_000_000_001n;

  it('is its own id, or the hash of what it is, with its ordinal among equals', () => {
    const own = eventOf({ attributes: [['log.record.uid', '01ARZ3NDEKTSV4RRFFQ69G5FAV']] });
    expect(own).toMatchObject({ eventId: '01ARZ3NDEKTSV4RRFFQ69G5FAV' });
    const same = { time, body: 'same' };
    const [first, second] = fromJson(otlpJson([{ records: [same, same] }]));
    expect(first).toMatchObject({ valid: true, idOrigin: 'hashed_record' });
    expect(second).toMatchObject({ eventId: `${first?.eventId ?? ''}.2` });
    expect(eventOf(same).eventId).toBe(first?.eventId);
    expect(eventOf({ ...same, time: time + 1n }).eventId).not.toBe(first?.eventId);
    expect(eventOf(same, { resource: [['a', 1n]] }).eventId).not.toBe(first?.eventId);
    expect(eventOf(same, { scope: { name: 'logger' } }).eventId).not.toBe(first?.eventId);
  });

  it('does not depend on when a record was observed, unless it has no other time', () => {
    const [first, again] = [1n, 2n].map((observedTime) => eventOf({ time, observedTime, body: 'line' }));
    expect(again).toStrictEqual(first);
    const [early, late] = [1n, 2n].map((observedTime) => eventOf({ observedTime, body: 'line' }));
    expect(late?.eventId).not.toBe(early?.eventId);
    const named = eventOf({ time, observedTime: 2n, attributes: [['log.record.uid', 'a']] });
    expect(published(named).payload).toContain('"observed_time_unix_nano":2');
  });

  it('has the time of the record, else when it was observed, else when it arrived', () => {
    const times = [{ time, observedTime: 1n }, { observedTime: time }, { observedTime: 1n }, {}];
    expect(times.map((record) => published(eventOf(record)).timestamp)).toEqual([
      '2026-11-22T10:00:00.000000Z',
      '2026-11-22T10:00:00.000000Z',
      '1970-01-01T00:00:00.000000Z',
      '2026-11-28T10:00:00.123000Z',
    ]);
  });

  it('has topic and source of the key, else of the resource', () => {
    const resource = [
      ['service.name', 'a/b:c'],
      ['host.name', 'host-1'],
      ['service.instance.id', 'bad\nid'],
    ] as const;
    const names = (event: Checked): string[] => [published(event).topic, published(event).source];
    expect(names(eventOf({}, { resource }))).toEqual(['logs.a_b_c', 'host-1']);
    expect(names(eventOf({}))).toEqual(['logs.unknown_service', 'otlp']);
    expect(names(eventOf({}, {}, { ...OPEN, keyName: 'collector' }))[1]).toBe('collector');
    const defaults = { topic: 'all.logs', source: 'edge' };
    expect(names(eventOf({}, { resource }, { ...OPEN, defaults }))).toEqual(['all.logs', 'edge']);
  });
});

describe('a record that is wrong', () => {
  const wrongOf = (event: Checked | undefined): string | undefined =>
    event?.valid === false ? event.errors[0]?.message : undefined;
  const nested = (levels: number): OtlpValue =>
    Array.from({ length: levels }).reduce<OtlpValue>((inner) => [inner], 'end');

  it('is the only one that is invalid', () => {
    const records = [
      { body: 'right' },
      { body: '\0' },
      { body: 'x'.repeat(EVENT_BYTES_MAX) },
      { body: 'right' },
    ];
    for (const events of [fromJson(otlpJson([{ records }])), fromProtobuf(otlpProtobuf([{ records }]))])
      expect(events.map(({ valid }) => valid)).toEqual([true, false, false, true]);
    const [bad, good] = fromJson(
      '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"intValue":"x"}},{"timeUnixNano":"1"}]}]}]}',
    );
    expect([wrongOf(bad), good?.valid]).toEqual(['"x" is not an integer', true]);
  });

  it('is not read when it is much larger than an event may be', () => {
    const body = 'x'.repeat(8 * EVENT_BYTES_MAX);
    expect(wrongOf(eventOf({ body: 'x'.repeat(EVENT_BYTES_MAX) }))).toContain('bytes of JSON, at most');
    expect(wrongOf(fromProtobuf(otlpProtobuf([{ records: [{ body }] }]))[0])).toContain('are read');
    expect(wrongOf(fromJson(otlpJson([{ records: [{ body }] }]))[0])).toContain('are read');
  });

  it('may nest a hundred levels deep, and no deeper', () => {
    expect(eventOf({ body: nested(99) }).valid).toBe(true);
    expect(wrongOf(eventOf({ body: nested(100) }))).toContain('deeper than 100 levels');
    const list = '{"arrayValue":{"values":[';
    const deep = `${list.repeat(50_000)}${']}}'.repeat(50_000)}`;
    const [event] = fromJson(`{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":${deep}}]}]}]}`);
    expect(wrongOf(event)).toContain('deeper than 100 levels');
    const levels = Array.from({ length: 3_000 }).reduce<Buffer>(
      (inner) => delimited(5, delimited(1, inner)),
      Buffer.alloc(0),
    );
    const bytes = delimited(1, delimited(2, delimited(2, delimited(5, levels))));
    expect(wrongOf(fromProtobuf(bytes)[0])).toContain('deeper than 100 levels');
  });

  it('has a string that is not UTF-8, or an id that is not hex', () => {
    const bytes = otlpProtobuf([{ records: [{ severityText: 'WARN' }] }]);
    bytes.writeUInt8(0xff, bytes.indexOf('WARN'));
    expect(wrongOf(fromProtobuf(bytes)[0])).toBe('a string is not UTF-8');
    const [event] = fromJson('{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}');
    expect(wrongOf(event)).toContain('hex');
  });
});

describe('a request', () => {
  it('may have fields that are not known here', () => {
    const [expected] = fromJson(otlpJson([{ records: [{ body: 'b' }] }]));
    const json = otlpJson([{ records: [{ body: 'b' }] }]).replaceAll(
      /\{(?=")/g,
      '{"newer":{"a":[1,{"b":"}]"}]},',
    );
    expect(fromJson(json)).toStrictEqual([expected]);
    const newer = Buffer.concat([
      delimited(99, Buffer.from('?')),
      varintField(98, 2n ** 64n - 1n),
      fixed64(97, 1n),
      fixed32(96, 1),
    ]);
    const nested = (field: number, inner: Buffer): Buffer =>
      delimited(field, Buffer.concat([newer, inner, newer]));
    const record = nested(2, nested(5, delimited(1, Buffer.from('b'))));
    expect(fromProtobuf(nested(1, nested(2, record)))).toStrictEqual([expected]);
  });

  it('is scanned in steps', () => {
    const stepsOf = (reader: LogReader): number => [...reader.scan(() => undefined)].length;
    const empty = (count: number): string => `{"resourceLogs":[${'{},'.repeat(count)}{}]}`;
    expect(stepsOf(new JsonLogs(Buffer.from(empty(1_000_000))))).toBeGreaterThan(10);
    expect(stepsOf(new JsonLogs(Buffer.from(`{${'"a":1,'.repeat(500_000)}"b":1}`)))).toBeGreaterThan(10);
    expect(stepsOf(new JsonLogs(Buffer.from(`{"a":"${'\\"'.repeat(1_500_000)}"}`)))).toBeGreaterThan(10);
    expect(stepsOf(new ProtobufLogs(Buffer.alloc(1_000_000, Buffer.from([0x0a, 0]))))).toBeGreaterThan(10);
    expect(
      stepsOf(new ProtobufLogs(delimited(1, Buffer.alloc(1_000_000, Buffer.from([0x12, 0]))))),
    ).toBeGreaterThan(10);
  });

  it('is refused where it is cut, at any byte', () => {
    const groups = [{ resource: [['a', 'b']] as const, records: [{ body: 'text', time: 1n }] }];
    const whole = otlpProtobuf(groups);
    for (let length = 1; length < whole.length; length += 1)
      expect(() => fromProtobuf(whole.subarray(0, length))).toThrow(MalformedLogsError);
    const text = otlpJson(groups);
    for (let length = 1; length < text.length; length += 1)
      expect(() => fromJson(text.slice(0, length))).toThrow(MalformedLogsError);
  });

  it.each([
    '',
    '[]',
    '"a"',
    '{"resourceLogs":{}}',
    '{"resourceLogs":[1]}',
    '{} {}',
    '{"a":1,}',
    '{resourceLogs:[]}',
  ])('is refused when it is not one in JSON: %s', (written) => {
    expect(() => fromJson(written)).toThrow(MalformedLogsError);
  });

  it('is empty without records', () => {
    for (const written of ['{}', ' {"resourceLogs":null}', '\uFEFF{"resourceLogs":[{"scopeLogs":[{}]},{}]}'])
      expect(fromJson(written)).toEqual([]);
    expect(fromProtobuf(Buffer.alloc(0))).toEqual([]);
    expect(fromProtobuf(Buffer.from([0x0a, 0x00, 0x0a, 0x02, 0x12, 0x00]))).toEqual([]);
  });

  it('ends with events or a refusal, whichever of its bytes are changed', () => {
    const bodiesOf = (reader: LogReader): string[] => {
      try {
        return eventsOf(reader).flatMap((event) => (event.valid ? [event.body] : []));
      } catch (error) {
        if (error instanceof MalformedLogsError) return [];
        throw error;
      }
    };
    const change = fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), {
      minLength: 1,
      maxLength: 4,
    });
    fc.assert(
      fc.property(fc.array(group, { minLength: 1, maxLength: 2 }), change, (groups, changes) => {
        const requests = [otlpProtobuf(groups), Buffer.from(otlpJson(groups))] as const;
        for (const bytes of requests)
          for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        const [protobuf, json] = requests;
        const bodies = [...bodiesOf(new ProtobufLogs(protobuf)), ...bodiesOf(new JsonLogs(json))];
        expect(() => bodies.map((body) => JSON.parse(body) as unknown)).not.toThrow();
      }),
      { numRuns: 500 },
    );
  });
});
