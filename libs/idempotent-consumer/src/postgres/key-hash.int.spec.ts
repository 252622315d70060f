/** The hash of a key is the one that Postgres computes, for texts of any length and script. */
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import fc from 'fast-check';
import { createTestSystem, type TestSystem } from '#testing';
import { agreesWithPostgres, HASH_OF_KEY, KeyHash } from './key-hash.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});
afterAll(async () => {
  await system.dispose();
});

const HASHES = `
SELECT array_agg(${HASH_OF_KEY} ORDER BY position)::text[] AS hashes
FROM (SELECT topic COLLATE "C" AS topic, event_id COLLATE "C" AS event_id, position
  FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS key (topic, event_id, position)) key`;

it('is the hash of Postgres', async () => {
  const text = fc.oneof(
    fc.string({ unit: 'binary', maxLength: 60 }),
    fc.string({ unit: 'binary-ascii', maxLength: 60 }),
  );
  const keys = fc
    .sample(fc.tuple(text, text), { numRuns: 5_000, seed: 17 })
    .map((key) => key.map((value) => value.replaceAll('\0', '')));
  const { rows } = await system.pool.query<{ hashes: string[] }>(HASHES, [
    keys.map(([topic]) => topic),
    keys.map(([, eventId]) => eventId),
  ]);
  const hash = new KeyHash();
  const own = keys.map(([topic = '', eventId = '']) => {
    hash.compute(topic, eventId);
    return String((BigInt(hash.high) << 32n) | BigInt(hash.low >>> 0));
  });
  expect(own).toEqual(rows[0]?.hashes);
});

it('is checked against a Postgres before use', async () => {
  expect(await agreesWithPostgres(system.pool)).toBe(true);
  const other = { query: () => Promise.resolve({ rows: [{ hashes: ['1', '2'] }] }) };
  expect(await agreesWithPostgres(other as unknown as typeof system.pool)).toBe(false);
});
