import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { payloadError } from './event.js';
import { plainObjectEnd } from './plain-payload.js';

/** Applies the rules to the parsed payload. */
function isPayload(text: string): boolean {
  try {
    return payloadError(JSON.parse(text), text) === undefined;
  } catch {
    return false;
  }
}

const isPlain = (text: string): boolean => plainObjectEnd(text, 0) === text.length;

/** A text with a part removed and a part inserted, at random places. */
const damaged = (texts: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc
    .tuple(
      texts,
      fc.nat(60),
      fc.nat(2),
      fc.oneof(
        fc.constantFrom(...Array.from('{}[],:"\\-.0123eEtrufalsn \n\u0001\ud800')),
        fc.json({ maxDepth: 1 }),
      ),
    )
    .map(([text, at, cut, put]) => text.slice(0, at) + put + text.slice(at + cut));

const objects = fc
  .dictionary(fc.string({ maxLength: 6 }), fc.jsonValue({ maxDepth: 3 }), { maxKeys: 4 })
  .chain((value) => fc.constantFrom(JSON.stringify(value), JSON.stringify(value, null, 1)));

describe('plainObjectEnd', () => {
  it('finds the end of what payloads are like', () => {
    for (const text of [
      '{}',
      '{ }',
      '{"total":12.50}',
      '{"a":[],"b":{},"c":[{"d":-0.5},[1,2]],"e":true,"f":false,"g":null}',
      '{\n "line" : "GET \\"\\/\\" \\\\ \\b\\f\\n\\r\\t é 漢", "n" : [ 0 , -1 ] }',
    ]) {
      expect([text, plainObjectEnd(`x${text}}`, 1)]).toEqual([text, text.length + 1]);
    }
  });

  it('leaves what is rare to the long way, though it is valid', () => {
    const deep = `{"a":${'['.repeat(40)}${']'.repeat(40)}}`;
    for (const text of ['{"a":1e5}', '{"a":"\\u0041"}', '{"a":"😀"}', deep]) {
      expect([isPayload(text), isPlain(text)]).toEqual([true, false]);
    }
  });

  it('takes nothing that the rules refuse', () => {
    for (const text of [
      '',
      '[]',
      '1',
      '{',
      '{"a"}',
      '{"a":}',
      '{"a":1,}',
      '{,"a":1}',
      '{"a":1 "b":2}',
      '{"a":[1,]}',
      '{"a":[,1]}',
      '{"a":[1}]',
      '{"a":01}',
      '{"a":-}',
      '{"a":1.}',
      '{"a":.5}',
      '{"a":+1}',
      '{"a":tru}',
      '{"a":truex}',
      '{"a":toString}',
      '{"a":"\t"}',
      '{"a":"\\x"}',
      '{"a":"\ud800"}',
      '{"a":"\\u0000"}',
      '{a:1}',
      "{'a':1}",
      '{"a" 1}',
      '{"a":1}}',
      '{"a":1} {}',
      `{"a":${'9'.repeat(1_001)}}`,
    ]) {
      expect([text, isPayload(text), isPlain(text)]).toEqual([text, false, false]);
    }
    fc.assert(
      fc.property(fc.oneof(damaged(objects), damaged(damaged(objects))), (text) => {
        expect(isPlain(text) && !isPayload(text)).toBe(false);
      }),
      { numRuns: 20_000 },
    );
  });

  it('takes most objects that hold no rarities', () => {
    fc.assert(
      fc.property(objects, (text) => {
        const isRare = /[eE][+-]?\d|\\u|[\ud800-\udfff]/.test(text);
        expect(isRare || isPlain(text)).toBe(true);
      }),
    );
  });
});
