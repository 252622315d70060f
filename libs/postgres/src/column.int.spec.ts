/** Postgres receives the same values from a binary column as from an array as text. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestSystem, type TestSystem } from '#testing';
import { readBigints } from './bigint-list.js';
import {
  bigintColumn,
  booleanColumn,
  instantColumn,
  jsonbColumn,
  textColumn,
  timestampColumn,
} from './column.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem();
});

afterAll(async () => {
  await system.dispose();
});

/** Whether Postgres considers the column equal to the driver's own array of the same values. */
async function isReceived(type: string, column: Buffer, values: readonly unknown[]): Promise<boolean> {
  const { rows } = await system.pool.query<{ same: boolean }>(
    `SELECT $1::${type}[] IS NOT DISTINCT FROM $2::${type}[] AS same`,
    [column, values],
  );
  return rows[0]?.same === true;
}

/** Checks arbitrary lists of values. */
async function expectReceived<T>(
  type: string,
  value: fc.Arbitrary<T>,
  columnOf: (values: T[]) => Buffer,
  asText: (value: T) => unknown = (one) => one,
): Promise<void> {
  await fc.assert(
    fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 20 }), async (values) => {
      expect(await isReceived(type, columnOf(values), values.map(asText))).toBe(true);
    }),
    { numRuns: 60 },
  );
}

const storable = fc
  .string({ unit: 'grapheme', maxLength: 12 })
  .filter((text) => text.isWellFormed() && !text.includes('\0'));
const instant = fc.date({
  min: new Date('0001-01-02T00:00:00Z'),
  max: new Date('9999-12-30T00:00:00Z'),
  noInvalidDate: true,
});

describe('a binary column', () => {
  it('of text arrives unchanged, with nulls and quotes', async () => {
    await expectReceived(
      'text',
      fc.option(fc.oneof(storable, fc.constantFrom('NULL', '"', '\\', '{,}', ''))),
      textColumn,
    );
  });

  it('of ASCII texts arrives unchanged, short and long', async () => {
    const ascii = fc.string({ unit: 'binary-ascii', maxLength: 600 }).filter((text) => !text.includes('\0'));
    await expectReceived(
      'text',
      fc.oneof(ascii, fc.constantFrom('', 'a'.repeat(255), 'b'.repeat(256))),
      textColumn,
    );
  });

  it('of integers arrives unchanged, up to the largest', async () => {
    await expectReceived('bigint', fc.maxSafeInteger(), bigintColumn);
    await expectReceived(
      'bigint',
      fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
      bigintColumn,
      String,
    );
    expect(() => bigintColumn([2 ** 53])).toThrow(RangeError);
    expect(() => bigintColumn([0.5])).toThrow(RangeError);
  });

  it('of JSON arrives unchanged, with nulls', async () => {
    const text = fc.option(
      fc.oneof(
        fc.constant('{"a":"é\\n\\"","b":[1.50,null]}'),
        fc.dictionary(storable, storable).map((value) => JSON.stringify(value)),
      ),
    );
    await expectReceived('jsonb', text, jsonbColumn);
  });

  it('of booleans arrives unchanged', async () => {
    await expectReceived('boolean', fc.boolean(), booleanColumn);
  });

  it('of instants arrives exact to the microsecond, in every year that can be stored', async () => {
    const text = fc
      .tuple(instant, fc.nat(999))
      .map(([date, micros]) => date.toISOString().replace('Z', `${String(micros).padStart(3, '0')}Z`));
    await expectReceived('timestamptz', text, instantColumn);
    for (const other of [
      '2026-11-22T10:00:00.000Z',
      '2026-11-22 10:00:00.0000000',
      '2026-1a-22T10:00:00.000000Z',
    ])
      expect(() => instantColumn([other])).toThrow(RangeError);
  });

  it('of milliseconds arrives unchanged', async () => {
    const ms = fc.date({ min: new Date('1990-01-01'), max: new Date('2200-01-01'), noInvalidDate: true });
    await expectReceived(
      'timestamptz',
      ms.map((date) => date.getTime()),
      timestampColumn,
      (one) => new Date(one).toISOString(),
    );
  });

  it('without values arrives as an empty array', async () => {
    expect(await isReceived('text', textColumn([]), [])).toBe(true);
    const { rows } = await system.pool.query<{ length: number }>('SELECT cardinality($1::text[]) AS length', [
      textColumn([]),
    ]);
    expect(rows[0]?.length).toBe(0);
  });
});

describe('readBigints', () => {
  it('reads the text of an array that array_agg returns, also of an empty one', async () => {
    const { rows } = await system.pool.query<{ some: string; none: string | null }>(
      'SELECT array_agg(n)::text AS some, array_agg(n) FILTER (WHERE n > 9)::text AS none FROM generate_series(1, 3) n',
    );
    expect(readBigints(rows[0]?.some ?? '')).toEqual([1, 2, 3]);
    expect(readBigints(rows[0]?.none ?? null)).toEqual([]);
    expect(readBigints('{}')).toEqual([]);
  });
});
