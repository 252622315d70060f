import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import {
  hasUnstorableCharacter,
  hasUnstorableNumber,
  nestingDepth,
  objectSpans,
  quotedNumbers,
} from './json-text.js';
import { NUMBER_EXPONENT_MAX, NUMBER_LENGTH_MAX } from './limits.js';

type Json = null | boolean | number | string | Json[] | { [name: string]: Json };

const space = fc.stringMatching(/^[ \t\r\n]{0,3}$/);
/** Text full of characters that are easily mistaken for the end of a value. */
const trickyText = fc
  .array(
    fc.constantFrom(
      '"',
      '\\',
      '\\"',
      '\\\\',
      '{',
      '}',
      '[',
      ']',
      ',',
      ':',
      'u0000',
      '\u0000',
      'é',
      '😀',
      ' ',
    ),
  )
  .map((parts) => parts.join(''));
const anyText = fc.oneof(trickyText, fc.string({ unit: 'grapheme' }));
const jsonValue = fc.jsonValue({ maxDepth: 4, stringUnit: 'binary' }) as fc.Arbitrary<Json>;
const trickyValue: fc.Arbitrary<Json> = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    anyText,
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.constantFrom<Json>(null, true, false, 0),
    fc.array(tie('value'), { maxLength: 4 }),
    fc.dictionary(anyText, tie('value'), { maxKeys: 4 }),
  ),
})).value;
const value = fc.oneof(jsonValue, trickyValue);

/** A string as JSON, each character escaped or not as `choices` has it. */
function spellString(text: string, choices: () => boolean): string {
  const units = Array.from({ length: text.length }, (_, at) => text.charAt(at));
  const spelled = units.map((unit) => {
    const code = unit.charCodeAt(0);
    const half = code >= 0xd800 && code <= 0xdfff;
    if (half || choices()) return `\\u${code.toString(16).padStart(4, '0')}`;
    return JSON.stringify(unit).slice(1, -1);
  });
  return `"${spelled.join('')}"`;
}

/** The value as JSON text with the white space and the escapes that the generators choose. */
function spell(json: Json, gap: () => string, choices: () => boolean): string {
  const around = (inner: string): string => `${gap()}${inner}${gap()}`;
  if (typeof json === 'string') return spellString(json, choices);
  if (json === null || typeof json !== 'object') return JSON.stringify(json);
  if (Array.isArray(json)) {
    return `[${json.length === 0 ? gap() : json.map((item) => around(spell(item, gap, choices))).join(',')}]`;
  }
  const members = Object.entries(json).map(
    ([name, item]) => `${around(spellString(name, choices))}:${around(spell(item, gap, choices))}`,
  );
  return `{${members.length === 0 ? gap() : members.join(',')}}`;
}

const spelling = fc.gen().map((gen) => ({
  gap: () => gen(() => space),
  choices: () => gen(fc.boolean),
}));

describe('objectSpans', () => {
  it('finds the text of each member, whatever the white space and the escapes', () => {
    fc.assert(
      fc.property(fc.dictionary(anyText, value), space, spelling, (object, lead, { gap, choices }) => {
        const text = lead + spell(object, gap, choices);
        const { members, end } = objectSpans(text);
        const parsed = JSON.parse(text) as Record<string, Json>;
        const found = [...members].map(([name, { start, end }]): [string, Json] => [
          name,
          JSON.parse(text.slice(start, end)) as Json,
        ]);
        expect(new Map(found)).toEqual(new Map(Object.entries(parsed)));
        expect(end).toBe(text.trimEnd().length);
      }),
    );
  });

  it('leaves no white space at the ends of a value', () => {
    const text = '{ "a" :\n 1 ,\t"b": [ 2 ] }';
    const { members } = objectSpans(text);
    const texts = [...members.values()].map(({ start, end }) => text.slice(start, end));
    expect(texts).toEqual(['1', '[ 2 ]']);
  });

  it('takes the last of members with one name, as JSON.parse does, also when the name is escaped', () => {
    const text = String.raw`{"a":{"a":0},"b":2,"\u0061":"last"}`;
    const span = objectSpans(text).members.get('a');
    expect(text.slice(span?.start, span?.end)).toBe('"last"');
    expect((JSON.parse(text) as { a: unknown }).a).toBe('last');
  });

  it('keeps a number that JSON.parse would change', () => {
    const text = '{"payload":{"n":12345678901234567890,"m":1e400}}';
    const span = objectSpans(text).members.get('payload');
    expect(text.slice(span?.start, span?.end)).toBe('{"n":12345678901234567890,"m":1e400}');
  });

  it('begins at the given position', () => {
    const text = '[{"a":1},{"b":2}]';
    const { members, end } = objectSpans(text, 9);
    expect([...members.keys()]).toEqual(['b']);
    expect(text.slice(end)).toBe(']');
  });
});

describe('nestingDepth', () => {
  const depthOf = (json: Json): number =>
    json === null || typeof json !== 'object' ? 0 : 1 + Math.max(0, ...Object.values(json).map(depthOf));

  it('counts the levels of the parsed value', () => {
    fc.assert(
      fc.property(value, spelling, (json, { gap, choices }) => {
        expect(nestingDepth(spell(json, gap, choices))).toBe(depthOf(json));
      }),
    );
  });

  it('counts brackets without recursion, even a hundred thousand levels', () => {
    expect(nestingDepth('['.repeat(100_000) + ']'.repeat(100_000))).toBe(100_000);
  });
});

describe('hasUnstorableCharacter', () => {
  const isStorable = (text: string): boolean => text.isWellFormed() && !text.includes('\0');
  const allStorable = (json: Json): boolean => {
    if (typeof json === 'string') return isStorable(json);
    if (json === null || typeof json !== 'object') return true;
    return Object.entries(json).every(([name, item]) => isStorable(name) && allStorable(item));
  };
  const halves = fc
    .array(fc.constantFrom('\ud800', '\udbff', '\udc00', '\udfff', '\ud83d\ude00', 'a', '\\', '"', '\0'))
    .map((parts) => parts.join(''));

  it('agrees with a walk over the parsed strings and names', () => {
    fc.assert(
      fc.property(fc.oneof(value, fc.dictionary(halves, halves)), spelling, (json, { gap, choices }) => {
        const text = spell(json, gap, choices);
        expect(hasUnstorableCharacter(text)).toBe(!allStorable(JSON.parse(text) as Json));
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    [String.raw`{"a":"\u0000"}`, true],
    [String.raw`{"\u0000":1}`, true],
    [String.raw`{"a":"\\u0000"}`, false],
    [String.raw`{"a":"\\\u0000"}`, true],
    [String.raw`{"a":"\ud83d\ude00"}`, false],
    [String.raw`{"a":"\uD83D\uDE00"}`, false],
    [String.raw`{"a":"\ud83d"}`, true],
    [String.raw`{"a":"\ude00"}`, true],
    [String.raw`{"a":"\ude00\ud83d"}`, true],
    [String.raw`{"a":"\ud83dx\ude00"}`, true],
    [String.raw`{"a":"\ud83d","b":"\ude00"}`, true],
    [String.raw`{"a":"\ud83d\\ude00"}`, true],
    ['{"a":"\ud83d"}', true],
  ])('%s: %s', (text, unstorable) => {
    expect(hasUnstorableCharacter(text)).toBe(unstorable);
  });
});

describe('hasUnstorableNumber', () => {
  const digits = (count: number): string => '1'.repeat(count);
  const number = fc
    .record({
      sign: fc.constantFrom('', '-'),
      integer: fc.integer({ min: 1, max: 600 }),
      fraction: fc.option(fc.integer({ min: 1, max: 600 })),
      exponent: fc.option(
        fc.constantFrom('e', 'E', 'e+', 'e-', 'E-').chain((e) => fc.nat(999).map((n) => `${e}${n}`)),
      ),
    })
    .map(
      ({ sign, integer, fraction, exponent }) =>
        `${sign}${digits(integer)}${fraction === null ? '' : `.${digits(fraction)}`}${exponent ?? ''}`,
    );

  it('finds exponents that add up to more digits than are printed for one payload', () => {
    const payload = (count: number): string =>
      `{"a":[${Array.from({ length: count }, () => '1e64').join(',')}]}`;
    expect(hasUnstorableNumber(payload(1_024))).toBe(false);
    expect(hasUnstorableNumber(payload(1_025))).toBe(true);
  });

  it('finds every number that is too long or has too large an exponent', () => {
    fc.assert(
      fc.property(number, fc.constantFrom('', ' '), (text, gap) => {
        const exponent = Number(text.split(/e/i)[1] ?? '0');
        const unstorable = text.length > NUMBER_LENGTH_MAX || Math.abs(exponent) > NUMBER_EXPONENT_MAX;
        expect(hasUnstorableNumber(`{"a":[0,${text}${gap}]}`)).toBe(unstorable);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['as long as allowed', digits(NUMBER_LENGTH_MAX), false],
    ['one digit longer', digits(NUMBER_LENGTH_MAX + 1), true],
    ['just too long, but no part of it is', `-${digits(498)}.${digits(497)}e+10`, true],
    ['the largest exponent', `1e${NUMBER_EXPONENT_MAX}`, false],
    ['the smallest exponent', `1e-${NUMBER_EXPONENT_MAX}`, false],
    ['one beyond it', `1e${NUMBER_EXPONENT_MAX + 1}`, true],
    ['one below it', `1E-${NUMBER_EXPONENT_MAX + 1}`, true],
    ['an exponent with zeros before it', '1e000000010', false],
    ['an exponent beyond any number', `1e${'9'.repeat(400)}`, true],
    ['digits in a string', `"${digits(2_000)}"`, false],
    ['an exponent in a string', String.raw`"\"1e9999"`, false],
  ])('judges a number: %s', (_, text, unstorable) => {
    expect(hasUnstorableNumber(`{"a":${text}}`)).toBe(unstorable);
  });

  it('takes time in proportion to the text, whatever is in it', () => {
    const texts = (length: number): string[] => [
      `{"a":"${`${digits(length)},`.repeat(4_000_000 / length)}"}`,
      `{"a":1e100,"b":"${'x'.repeat(4_000_000)}"}`,
    ];
    const timed = (length: number): number => {
      const rounds = [1, 2, 3].map(() => {
        const startedAt = performance.now();
        for (const text of texts(length)) expect(hasUnstorableNumber(text)).toBe(false);
        return performance.now() - startedAt;
      });
      return Math.min(...rounds);
    };
    // The same number of digits in longer runs takes twenty times as long for a search that restarts at every digit.
    expect(timed(500)).toBeLessThan(10 * Math.max(timed(25), 5));
  });

  it('quotes the numbers of a text, and nothing else', () => {
    const text = String.raw`{"a":12345678901234567890,"b":[-1.50E+400 , "1", "\"2"],"3":true,"c":0}`;
    expect(quotedNumbers(text)).toBe(
      String.raw`{"a":"12345678901234567890","b":["-1.50E+400" , "1", "\"2"],"3":true,"c":"0"}`,
    );
    fc.assert(
      fc.property(fc.json(), (json) => {
        const expected: unknown = JSON.parse(json, (_, value: unknown) =>
          typeof value === 'number' ? String(value) : value,
        );
        const quoted: unknown = JSON.parse(quotedNumbers(json));
        expect(JSON.stringify(quoted)).toBe(JSON.stringify(expected));
      }),
    );
  });

  it.each(['{1:2}', '{1 :2}', '[01]', '[1.]', '[-]', '[1 2]', '["a"1]', '{"a":1"b":2}', '[1', '1]'])(
    'leaves what is not JSON as it is not: %s',
    (text) => {
      expect(() => JSON.parse(quotedNumbers(text)) as unknown).toThrow(SyntaxError);
    },
  );
});
