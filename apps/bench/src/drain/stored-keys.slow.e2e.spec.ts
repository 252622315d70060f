/** A database that the benchmark fills is like one that a worker has filled: the same tables, and the same answers. */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { beforeAll, describe, expect, it } from '@jest/globals';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import type { Pool } from 'pg';
import { isLarge } from '#idempotent-consumer/postgres';
import { messageIdOf, subjectOf } from '#contracts';
import { findRepositoryRoot } from '#local-cluster';
import { changeKeyGeneration, SEKALI_LEDGER, STORE_INBOX, youngestKeyGeneration } from '#store';
import { createTestSystem, startApp, type TestSystem, untilSettled } from '#testing';
import { storedEvent } from '../environment/event-sequence.js';
import { keyTables } from './key-tables.js';
import { settleFilters } from './settled-filters.js';
import { storeKeys } from './stored-keys.js';

const KEYS = 10_000;
/** Events that are published at once. After them, the youngest generation may be closed. */
const PORTION = 1_000;
const PUBLISH_MS_MAX = 30_000;
const FILL_MS_MAX = 180_000;
/** More than what two thousand keys take, and less than what three thousand do. */
const GENERATION_BYTES = 600_000;
const GENERATIONS = 4;
const PAST_STREAM = { name: 'PAST', identity: '2026-01-01T00:00:00Z' };
const run = promisify(execFile);

/** The database of this one is filled by a worker. */
let drained: TestSystem;
/** The database of this one is filled by the benchmark. Its stream is empty. */
let filled: TestSystem;

beforeAll(async () => {
  drained = await createTestSystem({ replicas: 1 });
  filled = await createTestSystem({ replicas: 1 });
  const worker = await startApp('worker', drained.environment);
  for (let first = 1; first <= KEYS; first += PORTION) {
    await publishStored(drained, first);
    const youngest = await youngestKeyGeneration(drained.pool, STORE_INBOX);
    if (isLarge(youngest, GENERATION_BYTES))
      await changeKeyGeneration(drained.pool, STORE_INBOX, youngest.number);
  }
  await worker.stop();
  const { streamId } = await SEKALI_LEDGER.registry.of(filled.pool, PAST_STREAM);
  await storeKeys(filled.pool, {
    ...{ streamId, keys: KEYS, ids: 'random', generationBytes: GENERATION_BYTES },
    keysPerStep: PORTION / 2,
  });
}, FILL_MS_MAX);

/** Publishes a portion of the events, from this one on, and waits until a worker has settled them. */
async function publishStored(system: TestSystem, first: number): Promise<void> {
  const client = jetstream(system.connection);
  const publish = async (_: unknown, index: number): Promise<void> => {
    const { topic, eventId, body } = storedEvent(first + index);
    const options = { msgID: messageIdOf(topic, eventId), timeout: PUBLISH_MS_MAX };
    await client.publish(subjectOf(system.subjectPrefix, topic), body, options);
  };
  await Promise.all(Array.from({ length: PORTION }, publish));
  const manager = await jetstreamManager(system.connection, { checkAPI: false });
  await untilSettled(manager, system.streamName, system.consumerName, 60_000);
}

/** What the catalogue says of the tables of keys, their generations and their filters. */
async function catalogue(pool: Pool): Promise<unknown> {
  const { rows } = await pool.query(`
SELECT relname, relpersistence, relreplident, reloptions, relacl::text, relhastriggers,
  (SELECT inhparent::regclass::text FROM pg_inherits WHERE inhrelid = c.oid) AS parent,
  (SELECT json_agg(json_build_array(attname, format_type(atttypid, atttypmod), attnotnull, attcollation, attislocal, attinhcount, attstorage)
    ORDER BY attnum) FROM pg_attribute WHERE attrelid = c.oid AND attnum > 0) AS columns,
  (SELECT json_agg(json_build_array(conname, pg_get_constraintdef(oid), conislocal, coninhcount, convalidated)
    ORDER BY conname) FROM pg_constraint WHERE conrelid = c.oid) AS constraints,
  (SELECT json_agg(json_build_array(pg_get_indexdef(indexrelid), indisprimary, indisunique, indisvalid, indimmediate)
    ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = c.oid) AS indexes,
  (SELECT json_agg(pg_get_triggerdef(oid)) FROM pg_trigger WHERE tgrelid = c.oid AND NOT tgisinternal) AS triggers
FROM pg_class c
WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'r' AND relname ~ '^(event_key|key_)'
ORDER BY relname`);
  return rows;
}

/** The numbers of the generations, and whether they are closed. */
async function generations(pool: Pool): Promise<unknown> {
  const { rows } = await pool.query(
    'SELECT number, opened_at IS NULL AS "isFirst", closed_at IS NOT NULL AS "isClosed" FROM sekali.key_generation ORDER BY 1',
  );
  return rows;
}

/** The bytes of a row in each index of a table. */
async function indexBytes(pool: Pool, table: string): Promise<number[]> {
  const { rows } = await pool.query<{ bytes: number }>(
    `SELECT pg_relation_size(indexrelid)::float8 / (SELECT count(*) FROM ONLY ${table}) AS bytes
     FROM pg_index WHERE indrelid = '${table}'::regclass ORDER BY indkey::text`,
  );
  return rows.map(({ bytes }) => bytes);
}

interface Audit {
  readonly verdict: string;
  /** What was found in the rows of other streams than the audited one, without their names. */
  readonly found: readonly object[];
}

/** Audits a database next to the stream of the filled one. */
async function audit({ postgresUrl }: TestSystem): Promise<Audit> {
  const main = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
  const names = ['--stream', filled.streamName, '--consumer', filled.consumerName];
  const places = ['--nats', filled.natsUrls.join(','), '--postgres', postgresUrl];
  const environment = { ...process.env, NODE_OPTIONS: '' };
  const audited = run(process.execPath, [main, 'audit', '--json', ...names, ...places], { env: environment });
  // A verdict other than "whole" is an exit code, and a result all the same.
  const { stdout } = await audited.catch((error: unknown) => error as { stdout: string });
  const document = JSON.parse(stdout) as { verdict: string; other_streams: object[] };
  const found = document.other_streams.map((stream) => ({ ...stream, stream_id: 0, name: '', identity: '' }));
  return { verdict: document.verdict, found };
}

describe('a database that the benchmark has filled', () => {
  it('has the tables, constraints, indexes and generations of one that a worker has filled', async () => {
    expect(await keyTables(filled.pool)).toHaveLength(GENERATIONS);
    expect(await catalogue(filled.pool)).toStrictEqual(await catalogue(drained.pool));
    expect(await generations(filled.pool)).toStrictEqual(await generations(drained.pool));
  });

  it('has every key, and a filter for each closed generation', async () => {
    const { rows } = await filled.pool.query('SELECT count(*)::int AS keys FROM sekali.event_key');
    expect(rows).toStrictEqual([{ keys: KEYS }]);
    const settled = await settleFilters(filled.postgresUrl, {}, () => undefined);
    expect(settled).toMatchObject({ generations: GENERATIONS, filters: GENERATIONS - 1 });
  });

  it('has indexes as loose as those that grew row by row', async () => {
    const [first = '', second = ''] = await keyTables(filled.pool);
    const grown = await indexBytes(filled.pool, first);
    const built = await indexBytes(filled.pool, second);
    expect(built).toHaveLength(grown.length);
    for (const [index, bytes] of built.entries()) {
      expect(bytes / (grown[index] ?? NaN)).toBeGreaterThan(0.88);
      expect(bytes / (grown[index] ?? NaN)).toBeLessThan(1.12);
    }
  });

  it('has the verdict of one that a worker has filled', async () => {
    const found = await audit(filled);
    expect(found).toMatchObject({
      verdict: 'whole',
      found: [{ stored: KEYS, duplicates: 0, dead_letters: 0 }],
    });
    expect(found).toStrictEqual(await audit(drained));
  });

  it(
    'finds repeats of all of its events, and no conflict',
    async () => {
      const worker = await startApp('worker', filled.environment);
      for (let first = 1; first <= KEYS; first += PORTION) await publishStored(filled, first);
      await worker.stop();
      const { rows } = await filled.pool.query(
        `SELECT (SELECT count(*)::int FROM sekali.event_key) AS keys, (SELECT count(*)::int FROM sekali.event) AS events,
           count(*)::int AS duplicates, count(*) FILTER (WHERE conflict)::int AS conflicts FROM sekali.duplicate`,
      );
      expect(rows).toStrictEqual([{ keys: KEYS, events: KEYS, duplicates: KEYS, conflicts: 0 }]);
      expect((await audit(filled)).verdict).toBe('whole');
    },
    FILL_MS_MAX,
  );
});
