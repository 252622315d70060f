import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { ProblemError } from '../problems/problem-error.js';
import { scanRequest, type Candidate } from './request-scan.js';

const BOUNDS = { eventsMax: 10_000, eventBytesMax: 262_144 };

/** What a scan finds, and how often it paused. */
function scanned(text: string, bounds = BOUNDS): { found: readonly Candidate[]; pauses: number } {
  const scan = scanRequest(text, bounds);
  for (let pauses = 0; ; pauses += 1) {
    const step = scan.next();
    if (step.done === true) return { found: step.value, pauses };
  }
}

function refusal(text: string, bounds = BOUNDS): { status: number; detail: string | undefined } {
  try {
    scanned(text, bounds);
  } catch (error) {
    if (error instanceof ProblemError) return { status: error.problem.status, detail: error.problem.detail };
    throw error;
  }
  return { status: 202, detail: undefined };
}

const textsOf = (text: string): string[] =>
  scanned(text).found.map(({ start, end }) => text.slice(start, end));

describe('the scan of a request', () => {
  it.each([
    ['an empty array', '[]', 422],
    ['an empty batch', '{"events":[]}', 422],
    ['a number', '1', 422],
    ['null', 'null', 422],
    ['a long string', `"${'x'.repeat(5_000)}"`, 422],
    ['another member next to events', '{"events":[{}],"mode":"fast"}', 422],
    ['events twice', '{"events":[{}],"events":[{}]}', 422],
    ['half of JSON', '{"topic":', 400],
    ['half of an array', '[{}', 400],
    ['half of a batch', '{"events":[{}]', 400],
    ['a comma too many', '[{},]', 202],
    ['no comma', '[{} {}]', 400],
    ['something behind it', '[{}] 1', 400],
    ['something behind an object', '{} {}', 400],
    ['something behind a batch', '{"events":[{}]}]', 400],
    ['nothing', '', 400],
    ['blanks', ' \n ', 400],
    ['words', 'hello', 400],
    ['many words', 'hello '.repeat(1_000), 400],
  ])('knows the form: %s', (_, text, status) => {
    // A missing element is found as an empty one, which is not JSON when it is parsed.
    expect(refusal(text).status).toBe(status);
  });

  it('finds each element of an array and of a batch, whatever stands in it', () => {
    const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
    const name = fc.constantFrom('events', '\\u0065vents', 'event\\u0073');
    fc.assert(
      fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), space, name, (values, gap, written) => {
        const elements = values.map((value) => JSON.stringify(value));
        const array = `${gap}[${gap}${elements.join(`${gap},${gap}`)}${gap}]${gap}`;
        expect(textsOf(array)).toEqual(elements);
        expect(textsOf(`${gap}{${gap}"${written}"${gap}:${array}}${gap}`)).toEqual(elements);
      }),
    );
  });

  it('has a bound on the events, and scans no more than that', () => {
    expect(refusal('[1,2,3]', { ...BOUNDS, eventsMax: 2 })).toEqual({
      status: 413,
      detail: 'More than 2 events; at most 2 are taken in one request.',
    });
    expect(refusal('[1,2]', { ...BOUNDS, eventsMax: 2 }).status).toBe(202);
    for (const element of ['{},', '[],', '1,', '"",'])
      expect(refusal(`[${element.repeat(4_000_000)}`).status).toBe(413);
  });

  it('finds what is too large, too deep or has too many names, and lets the rest be', () => {
    const large = `{"a":"${'x'.repeat(300_000)}"}`;
    const deep = `{"payload":${'['.repeat(501)}${']'.repeat(501)}}`;
    const named = `{${Array.from({ length: 65 }, (_, n) => `"n${n}":1`).join()}}`;
    const { found } = scanned(`[{"a":1},${large},${deep},${named},${'1'.repeat(300_000)},{"a":2}]`);
    expect(found.map(({ flaw }) => flaw?.message.slice(0, 30))).toEqual([
      undefined,
      'the event is at least 300008 b',
      'an event must not nest deeper ',
      'the event has 65 members; it h',
      'the event is at least 300000 b',
      undefined,
    ]);
  });

  it.each([
    ['brackets', '['.repeat(12_000_000), 400],
    ['objects in objects', '{"a":'.repeat(2_000_000), 400],
    ['names', `{${'"n":1,'.repeat(2_000_000)}"n":1}`, 202],
    ['a string full of quotes', `{"a":"${'\\"'.repeat(6_000_000)}"}`, 202],
    ['a number', `[${'1'.repeat(12_000_000)}]`, 202],
    ['white space', `[1${' '.repeat(12_000_000)}]`, 202],
  ])('pauses on its way through a long text of %s', (_, text, status) => {
    const scan = scanRequest(text, BOUNDS);
    expect(scan.next().done).toBe(false);
    expect(refusal(text).status).toBe(status);
  });
});
