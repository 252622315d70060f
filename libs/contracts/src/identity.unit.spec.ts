import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalJson } from './canonical-json.js';
import { eventIdError } from './event.js';
import { givenId, RecordIds } from './identity.js';

/** JSON text of a value with its members in another order, with white space, and with escapes. */
function rewritten(value: unknown, seed: number): string {
  const gap = ['', ' ', '\n\t', '  '][seed % 4] ?? '';
  if (Array.isArray(value))
    return `[${gap}${value.map((one) => rewritten(one, seed + 1)).join(`${gap},${gap}`)}${gap}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, one]) => `${escaped(name, seed)}${gap}:${gap}${rewritten(one, seed + 1)}`,
    );
    if (seed % 2 === 0) members.reverse();
    return `{${gap}${members.join(`,${gap}`)}}`;
  }
  return typeof value === 'string' ? escaped(value, seed) : JSON.stringify(value);
}

function escaped(text: string, seed: number): string {
  if (seed % 3 !== 0) return JSON.stringify(text);
  const units = text.split('').map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
  return `"${units.join('')}"`;
}

/** JSON without -0, whose sign `JSON.stringify` drops. */
const json = fc.jsonValue({ maxDepth: 4 }).map((value) => JSON.parse(JSON.stringify(value)) as unknown);

describe('the canonical form of a record', () => {
  it('is the same for every way to write a value', () => {
    fc.assert(
      fc.property(json, fc.nat(), (value, seed) => {
        const canonical = canonicalJson(rewritten(value, seed));
        expect(canonical).toBe(canonicalJson(JSON.stringify(value)));
        expect(JSON.parse(canonical)).toEqual(value);
      }),
      { numRuns: 1_000 },
    );
  });

  it('is another one for another value', () => {
    fc.assert(
      fc.property(json, json, (one, other) => {
        const isSame = JSON.stringify(sorted(one)) === JSON.stringify(sorted(other));
        expect(canonicalJson(JSON.stringify(one)) === canonicalJson(JSON.stringify(other))).toBe(isSame);
      }),
      { numRuns: 1_000 },
    );
  });

  it.each([
    ['{ "b" : 12345678901234567890, "a":1e400 }', '{"a":1e400,"b":12345678901234567890}'],
    ['{"a":1,"a":{"c":[ ]}}', '{"a":{"c":[]}}'],
    ['[ {} , [ ] , {"a":{}} ]', '[{},[],{"a":{}}]'],
    ['{"\\u0061":"\\/\\n"}', '{"a":"/\\n"}'],
    [' -0.10 ', '-0.10'],
  ])('of %j is %j', (text, canonical) => {
    expect(canonicalJson(text)).toBe(canonical);
  });

  it('is found in one pass, however deep the record is', () => {
    const text = '{"a":['.repeat(250) + '1'.repeat(250_000) + ']}'.repeat(250);
    const startedAt = process.cpuUsage().user;
    for (let n = 0; n < 20; n += 1) expect(canonicalJson(text)).toBe(text);
    const deepMicros = process.cpuUsage().user - startedAt;
    const flatStartedAt = process.cpuUsage().user;
    const flat = `{"a":"${'1'.repeat(251_000)}"}`;
    for (let n = 0; n < 20; n += 1) expect(canonicalJson(flat)).toBe(flat);
    // A scan per level would read it 500 times.
    expect(deepMicros).toBeLessThan((process.cpuUsage().user - flatStartedAt + 10_000) * 100);
  });
});

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (typeof value !== 'object' || value === null) return value;
  const members = Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1));
  // Without the mark, an object without members would be an array without elements.
  return { members: members.map(([name, one]) => [name, sorted(one)]) };
}

describe('the id that a record brings', () => {
  it('is always a valid one, and the same each time', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'binary', maxLength: 400 }), { minLength: 1, maxLength: 3 }),
        (parts) => {
          const id = givenId(...parts);
          expect(givenId(...parts)).toEqual(id);
          expect(id === undefined).toBe(parts.at(-1) === '');
          expect(id === undefined || eventIdError(id.eventId) === undefined).toBe(true);
        },
      ),
      { numRuns: 1_000 },
    );
  });

  it('differs where the parts differ', () => {
    const part = fc.string({
      unit: fc.constantFrom('a', ' ', '\t', '"', 'sha256:'),
      minLength: 1,
      maxLength: 4,
    });
    const parts = fc.tuple(part, part);
    fc.assert(
      fc.property(parts, parts, (one, other) => {
        const isSame = one[0] === other[0] && one[1] === other[1];
        expect(givenId(...one)?.eventId === givenId(...other)?.eventId).toBe(isSame);
      }),
      { numRuns: 5_000 },
    );
  });

  it('is itself within the bounds, and its hash beyond them', () => {
    expect(givenId('o-1')).toEqual({ eventId: 'o-1', origin: 'given' });
    expect(givenId('/shop', '7 b')).toEqual({ eventId: '/shop 7 b', origin: 'given' });
    for (const id of ['x'.repeat(257), 'a\nb', 'sha256:x'])
      expect(givenId(id)).toEqual({
        eventId: expect.stringMatching(/^sha256:[\w-]{43}$/),
        origin: 'hashed_id',
      });
    expect(givenId('x'.repeat(257))).not.toEqual(givenId('x'.repeat(258)));
  });
});

describe('the ids of records without one', () => {
  const idsOf = (records: readonly string[], among?: number): string[] => {
    const ids = new RecordIds(among);
    return records.map((record) => ids.next([record]).eventId);
  };

  it('are all different within a request, and the same in a repeat of it', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom('a', 'b', 'c', 'd')), (records) => {
        const ids = idsOf(records);
        expect(new Set(ids).size).toBe(records.length);
        expect(idsOf(records)).toEqual(ids);
        for (const id of ids) expect(eventIdError(id)).toBeUndefined();
      }),
    );
  });

  it('do not depend on where a record stands, nor on what else is in the request', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.nat(), (records, at) => {
        const record = records[at % records.length] ?? '';
        expect(idsOf([record])[0]).toBe(idsOf(records)[at % records.length]);
      }),
    );
  });

  it('take a bounded memory: equals far apart are one', () => {
    const others = (from: number): string[] => Array.from({ length: 10 }, (_, n) => `other ${from + n}`);
    const near = idsOf(['a', ...others(0), 'a'], 16);
    expect(near.at(-1)).toBe(`${near[0] ?? ''}.2`);
    const far = idsOf(['a', ...others(0), ...others(10), ...others(20), ...others(30), 'a'], 16);
    expect(far.at(-1)).toBe(far[0]);
  });

  it('are not the hash of an id with the same text', () => {
    const long = 'x'.repeat(300);
    expect(idsOf([long])[0]).not.toBe(givenId(long)?.eventId);
  });
});
