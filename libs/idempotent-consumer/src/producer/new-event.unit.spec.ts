/** A producer refuses what gateways and workers would refuse. */
import { describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { canonicalTimestamp, payloadError } from '#contracts';
import { isInstant } from './instant.js';
import { InvalidEventError } from './invalid-event-error.js';
import { EventForm, type Topics } from './new-event.js';
import { payloadFlaw } from './payload-bounds.js';

const form = new EventForm<Topics>({ source: 'shop', eventBytesMax: 2_000_000 });
const write = (event: { payload?: unknown; timestamp?: Date | string }): string =>
  form.write({ topic: 'orders', id: 'a', payload: {}, ...event }).body;

function takes(payload: unknown): boolean {
  try {
    return write({ payload }) !== '';
  } catch (error) {
    if (error instanceof InvalidEventError) return false;
    throw error;
  }
}

function nested(levels: number): unknown {
  let value: unknown = 1;
  for (let level = 0; level < levels; level += 1) value = level % 2 === 0 ? { '["{': value } : [value];
  return { value };
}

describe('the rules for timestamps', () => {
  it.each([
    '2026-11-22T10:00:00',
    '2026-11-22',
    '2026-02-30T10:00:00Z',
    '2026-11-22T24:00:00Z',
    'Sun, 22 Nov 2026 10:00:00 GMT',
    '2016-12-31T22:59:60Z',
    new Date(Number.NaN),
    new Date(Date.UTC(10_000, 0)),
  ])('refuse %s', (timestamp) => {
    expect(() => write({ timestamp })).toThrow(InvalidEventError);
  });

  it('are those of gateways and workers', () => {
    const two = (max: number): fc.Arbitrary<string> =>
      fc.integer({ min: 0, max }).map((n) => String(n).padStart(2, '0'));
    const year = fc.constantFrom('0000', '0001', '1900', '2000', '2024', '2026', '9999');
    const zone = fc.oneof(
      fc.constantFrom('Z', 'z', '', '+07', '-00:00'),
      fc.tuple(fc.constantFrom('+', '-'), two(16), fc.constantFrom(':', ''), two(61)).map((p) => p.join('')),
    );
    const seconds = fc.oneof(
      fc.constant(''),
      fc
        .tuple(two(61), fc.constantFrom('', '.5', ',123456789012', '.1234567890123', '.'))
        .map((p) => `:${p.join('')}`),
    );
    const parts = fc.tuple(
      year,
      two(13),
      two(32),
      fc.constantFrom('T', 't', ' '),
      two(24),
      two(60),
      seconds,
      zone,
    );
    const text = parts.map(([y, mo, d, t, h, mi, s, z]) => `${y}-${mo}-${d}${t}${h}:${mi}${s}${z}`);
    const leap = fc.tuple(two(24), two(60), zone).map(([h, mi, z]) => `2016-12-31T${h}:${mi}:60${z}`);
    fc.assert(
      fc.property(fc.oneof(text, leap), (one) => {
        expect([one, isInstant(one)]).toEqual([one, canonicalTimestamp(one) !== undefined]);
      }),
      { numRuns: 5_000 },
    );
  });
});

describe('the rules for payloads', () => {
  it.each([
    ['500 levels', nested(499)],
    ['501 levels', nested(500)],
    ['brackets in long strings', { text: '[{"\\'.repeat(600) }],
    ['many exponents', { list: Array.from({ length: 212 }, () => 1e308) }],
    ['too many exponents', { list: Array.from({ length: 213 }, () => 1e308) }],
    ['exponents in strings', { list: Array.from({ length: 500 }, () => '1e+308') }],
  ])('are those of gateways and workers: %s', (_name, payload) => {
    const text = JSON.stringify(payload);
    const isValid = payloadError(payload, text) === undefined;
    expect(payloadFlaw(text) === undefined).toBe(isValid);
    expect(takes(payload)).toBe(isValid);
  });

  it('refuse what JSON cannot have', () => {
    const cyclic: Record<string, unknown> = {};
    cyclic['self'] = cyclic;
    for (const payload of [cyclic, { n: 1n }, nested(100_000), new Date(), undefined])
      expect(() => write({ payload })).toThrow(InvalidEventError);
  });
});
