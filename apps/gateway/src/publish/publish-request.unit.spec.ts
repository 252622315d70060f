import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { EventDto } from './event.dto.js';
import { checkCandidate, prefersLenient, type Checked } from './publish-request.js';
import { scanRequest } from './request-scan.js';

const EVENT_BYTES_MAX = 262_144;
const event = (members: Readonly<Record<string, unknown>> = {}): string =>
  JSON.stringify({
    topic: 'orders.created',
    event_id: '1',
    timestamp: '2026-11-22T10:00:00+07:00',
    source: 'checkout',
    payload: {},
    ...members,
  });

function check(text: string): Checked[] {
  const scan = scanRequest(text, { eventsMax: 10_000, eventBytesMax: EVENT_BYTES_MAX });
  let step = scan.next();
  while (step.done !== true) step = scan.next();
  return step.value.map((candidate, index) => checkCandidate(candidate, text, index, EVENT_BYTES_MAX));
}

describe('the short way past the rules', () => {
  it('accepts exactly what the decorators accept', () => {
    const other = fc.oneof(fc.constantFrom<unknown>('', 'a b', '\u0000', 5, null, [], {}), fc.jsonValue());
    const member = (right: unknown): fc.Arbitrary<unknown> =>
      fc.oneof({ weight: 6, arbitrary: fc.constant(right) }, { weight: 1, arbitrary: other });
    const value = fc.record(
      {
        topic: member('orders.created'),
        event_id: member('1'),
        timestamp: member('2026-11-22T10:00:00Z'),
        source: member('checkout'),
        payload: member({ total: 1 }),
      },
      { requiredKeys: ['topic', 'event_id', 'timestamp', 'source'] },
    );
    const more = fc.oneof(
      { weight: 6, arbitrary: fc.constant({}) },
      { weight: 1, arbitrary: fc.constant({ x: 1 }) },
    );
    fc.assert(
      fc.property(value, more, (members, unknownMembers) => {
        const body = { ...members, ...unknownMembers };
        const payload = members.payload === undefined ? '' : JSON.stringify(members.payload);
        const errors = new EventDto(body, payload).validate();
        expect(check(JSON.stringify(body)).map(({ valid }) => valid)).toEqual([errors.length === 0]);
      }),
      { numRuns: 1_000 },
    );
  });
});

const fieldsOf = (checked: Checked | undefined): string[] =>
  checked === undefined || checked.valid ? [] : checked.errors.map((error) => error.field);

describe('the body of a publish request', () => {
  it('is one event, an array, or an object with events', () => {
    const forms = [event(), `[${event()}]`, `{"events":[${event()}]}`, ` {"events" : [ ${event()} ] } `];
    for (const form of forms)
      expect(check(form)).toEqual([expect.objectContaining({ valid: true, eventId: '1' })]);
  });
});

describe('an event in a request', () => {
  it('is published with the payload as it was written, and its instant in UTC', () => {
    const payload = '{"n":12345678901234567890,"e":1e-30,"__proto__":{"a":1}, "s":"\\u00e9"}';
    const text = `[${event()},{"payload":${payload},"topic":"t","event_id":"2","timestamp":"2026-11-22T10:00:00.1234+07:00","source":"s"}]`;
    const [, second] = check(text);
    expect(second).toEqual({
      valid: true,
      topic: 't',
      eventId: '2',
      body: `{"topic":"t","event_id":"2","timestamp":"2026-11-22T03:00:00.123400Z","source":"s","payload":${payload}}`,
    });
  });

  it('counts the last of two members of one name, as JSON.parse does', () => {
    const [checked] = check(event().replace('"payload":{}', '"payload":{"a":1},"payload":{"a":2}'));
    expect(checked?.valid === true && checked.body).toContain('"payload":{"a":2}');
  });

  it('names every rule it breaks', () => {
    const [checked] = check(event({ topic: 'a b', source: '', extra: 1, payload: [] }));
    expect(fieldsOf(checked).sort()).toEqual(['extra', 'payload', 'source', 'topic']);
    expect(checked).toMatchObject({ valid: false, eventId: '1' });
    expect(checked).not.toHaveProperty('topic');
  });

  it.each([
    ['a member that is missing', '{"topic":"a","event_id":"1","source":"s","payload":{}}', ['timestamp']],
    ['a member of its prototype', `{"__proto__":{},${event().slice(1)}`, ['__proto__']],
    ['no object', '[3]', ['event']],
    ['an array in the array', '[[]]', ['event']],
    ['a zero character in the payload', event({ payload: { a: '\u0000' } }), ['payload']],
    ['an instant without zone', event({ timestamp: '2026-11-22T10:00:00' }), ['timestamp']],
    ['too many bytes', event({ payload: { a: 'x'.repeat(EVENT_BYTES_MAX) } }), ['event']],
  ])('is invalid with %s', (_, text, fields) => {
    expect(fieldsOf(check(text)[0])).toEqual(fields);
  });
});

describe('the Prefer header', () => {
  it.each([
    ['handling=lenient', true],
    ['respond-async, handling="lenient"', true],
    ['Handling=Lenient; foo', true],
    ['handling=strict', false],
    ['handling=lenient-ish', false],
    [undefined, false],
  ])('%s asks for lenient handling: %s', (header, lenient) => {
    expect(prefersLenient(header)).toBe(lenient);
  });
});
