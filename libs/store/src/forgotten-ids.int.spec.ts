/** Ids are forgotten by age, a generation at a time, where nothing needs them, and each sequence keeps its one end. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { counterFaults } from './audit-counters.js';
import { forgottenIds } from './audit-forgotten-ids.js';
import { ledgerChunks, type LedgerRun, type RowFault } from './audit-ledger.js';
import { droppedPayloads } from './audit-retention.js';
import { withAuditSnapshot } from './audit-snapshot.js';
import { agedIds, type ForgettingStep, forgetAgedIds } from './forgotten-ids.js';
import { grantRights } from './grants.js';
import { changeKeyGeneration } from './key-generations.js';
import { SEKALI_LEDGER, STORE_HORIZON } from './ledger.js';
import { noteStreamFloor, writeRowAges } from './row-retention.js';
import { storeTotals } from './stats-queries.js';

/** Of each ten sequences, eight are stored, one is a duplicate of the first, and one is a dead letter. */
const FILL = `
WITH input AS (
  SELECT seq, CASE WHEN seq % 10 < 8 THEN 'stored' WHEN seq % 10 = 8 THEN 'duplicate' ELSE 'dead' END AS kind
  FROM generate_series($2::integer, $3::integer) AS seq
), keys AS (
  INSERT INTO sekali.event_key_generation (topic, event_id, stream_id, seq, digest, stored_at)
  SELECT 't' || seq % 3, 'e' || seq, $1, seq, 0, $4 FROM input WHERE kind = 'stored' RETURNING topic, stored_at
), noted AS (
  INSERT INTO sekali.dropped_payload (topic, day, rows, bytes)
  SELECT topic, (stored_at AT TIME ZONE 'UTC')::date, count(*), 0 FROM keys GROUP BY 1, 2
), repeats AS (
  INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
  SELECT $1, seq, 't' || $2::integer % 3, 'e' || $2::integer, $1, $2::integer, false, now() FROM input WHERE kind = 'duplicate'
), letters AS (
  INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at)
  SELECT $1, seq, 't', 'x' || seq, 's', 'not_json', '', '', 1, now() FROM input WHERE kind = 'dead'
)
INSERT INTO sekali.counter AS known
SELECT $1, topic, 0, sum(stored), sum(duplicates), 0, sum(dead), 0 FROM (
  SELECT 't' || seq % 3 AS topic, 1 AS stored, 0 AS duplicates, 0 AS dead FROM input WHERE kind = 'stored'
  UNION ALL SELECT 't' || $2::integer % 3, 0, 1, 0 FROM input WHERE kind = 'duplicate'
  UNION ALL SELECT 't', 0, 0, 1 FROM input WHERE kind = 'dead'
) place GROUP BY topic
ON CONFLICT (stream_id, topic, shard) DO UPDATE SET stored = known.stored + excluded.stored,
  duplicates = known.duplicates + excluded.duplicates, dead_letters = known.dead_letters + excluded.dead_letters`;
/** The sequences of one generation. Each begins with a stored event. */
const SEQUENCES = 3_000;
const STORED = 2_400;
const DAY_MS = 86_400_000;
const DAYS = 5;

let system: TestSystem;
let worker: Pool;
let streamId: number;
/** The youngest generation. */
let youngest: number;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'forgetting', connectionsMax: 4, transactionMsMax: 60_000 });
  ({ streamId } = await SEKALI_LEDGER.registry.of(system.pool, KEY));
  youngest = 0;
});

afterEach(async () => {
  await worker.end();
  await system.dispose();
});

const KEY = { name: 'EVENTS', identity: 'first' };
const table = (generation: number): string => `event_key${generation === 0 ? '' : `_g${generation}`}`;
const segment = () => ({ streamId, after: 0, upTo: Number.MAX_SAFE_INTEGER });

/** Fills the youngest generation with keys of an age, and closes it that long ago. */
async function fillAndClose(daysAgo: number): Promise<void> {
  const at = new Date(Date.now() - daysAgo * DAY_MS);
  const first = youngest * SEQUENCES + 1;
  const text = FILL.replaceAll('event_key_generation', table(youngest));
  await system.pool.query(text, [streamId, first, first + SEQUENCES - 1, at]);
  youngest = (await changeKeyGeneration(worker, 'store', youngest)) ?? NaN;
  await system.pool.query('UPDATE sekali.key_generation SET closed_at = $1 WHERE number = $2', [
    at,
    youngest - 1,
  ]);
}

/** Two generations that are older than the age, and one that is not. Everything is settled, and has left the stream. */
async function fill(): Promise<void> {
  await fillAndClose(20);
  await fillAndClose(10);
  await fillAndClose(3);
  await STORE_HORIZON.settled(worker, streamId);
  await noteStreamFloor(worker, { segments: [segment()] }, 3 * SEQUENCES + 1);
  await writeRowAges(system.pool, { id: DAYS });
}

/** The generations that were forgotten, with their ids. */
interface Forgotten {
  readonly isDone: boolean;
  readonly steps: readonly Pick<ForgettingStep, 'generation' | 'ids'>[];
}

async function forget(signal?: AbortSignal): Promise<Forgotten> {
  const steps: Pick<ForgettingStep, 'generation' | 'ids'>[] = [];
  const onStep = ({ generation, step, ids }: ForgettingStep): void => {
    if (step === 'forgotten') steps.push({ generation, ids });
  };
  const options = { onStep, keysMax: 700, pauseFactor: 0, busyPauseMs: 10, ...(signal && { signal }) };
  return { isDone: await forgetAgedIds(worker, options), steps };
}

/** What the audit would say. */
async function expectWhole(): Promise<void> {
  const runs: LedgerRun[] = [];
  const faults: RowFault[] = [];
  let stored = 0;
  for await (const chunk of ledgerChunks(system.pool, segment(), 1_700)) {
    runs.push(...chunk.runs);
    faults.push(...chunk.faults);
    stored += chunk.totals.stored;
  }
  expect(faults).toEqual([]);
  expect(runs.filter(({ doubledIn }) => doubledIn.length > 0)).toEqual([]);
  expect(runs.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(3 * SEQUENCES);
  expect(await counterFaults(system.pool, streamId, 10)).toEqual([]);
  expect((await droppedPayloads(system.pool)).faults).toEqual([]);
  const forgotten = await forgottenIds(system.pool);
  for (const { ids, marked } of forgotten) expect(marked).toBe(ids);
  expect(stored + forgotten.reduce((sum, { ids }) => sum + ids, 0)).toBe(3 * STORED);
}

async function keysIn(generation: number): Promise<number> {
  const { rows } = await system.pool.query<{ keys: number }>(
    `SELECT count(*)::int AS keys FROM ONLY sekali.${table(generation)}`,
  );
  return rows[0]?.keys ?? NaN;
}

async function generations(): Promise<number[]> {
  const { rows } = await system.pool.query<{ number: number }>(
    'SELECT number FROM sekali.key_generation ORDER BY 1',
  );
  return rows.map(({ number }) => number);
}

describe('ids of an age', () => {
  it('are forgotten by the generation, and each sequence keeps its one end', async () => {
    await fill();
    await system.pool.query(
      `INSERT INTO sekali.key_filter SELECT number, 0, closed_at, 1, 1, 1, '' FROM sekali.key_generation WHERE closed_at IS NOT NULL`,
    );
    await expectWhole();
    expect(await agedIds(worker)).toMatchObject([
      { generation: 0, ids: STORED, keptFor: null },
      { generation: 1, ids: STORED, keptFor: null },
    ]);
    expect(await forget()).toEqual({
      isDone: true,
      steps: [
        { generation: 0, ids: STORED },
        { generation: 1, ids: STORED },
      ],
    });
    expect([await keysIn(0), await keysIn(1), await keysIn(2)]).toEqual([0, 0, STORED]);
    expect(await generations()).toEqual([2, 3]);
    expect((await system.pool.query('SELECT generation FROM sekali.key_filter')).rows).toEqual([
      { generation: 2 },
    ]);
    expect(await forgottenIds(system.pool)).toEqual([{ streamId, ids: 2 * STORED, marked: 2 * STORED }]);
    await expectWhole();
    expect(await agedIds(worker)).toEqual([]);
    expect(await forget()).toEqual({ isDone: true, steps: [] });
    expect((await storeTotals(system.pool, KEY.name)).idsKeptDays).toBe(DAYS);
  });

  it('stay without an age, and while payloads or messages need them', async () => {
    await fill();
    await writeRowAges(system.pool, {});
    expect(await forget()).toEqual({ isDone: true, steps: [] });
    await system.pool.query(
      `INSERT INTO sekali.event_key_g3 (topic, event_id, stream_id, seq, digest) VALUES ('t', 'young', 4711, 1, 0)`,
    );
    await system.pool.query(`UPDATE sekali.key_generation SET opened_at = '-infinity' WHERE number = 3`);
    expect(await forget()).toEqual({ isDone: true, steps: [] });
    expect(await generations()).toEqual([0, 1, 2, 3]);
    expect((await storeTotals(system.pool, KEY.name)).idsKeptDays).toBeUndefined();
    await writeRowAges(system.pool, { id: DAYS });
    const kept = async () => (await agedIds(worker)).map(({ keptFor }) => keptFor);
    await system.pool.query('UPDATE sekali.stream_floor SET seq = $1', [2 * SEQUENCES]);
    expect(await kept()).toEqual([null, 'messages']);
    await system.pool.query('UPDATE sekali.stream_floor SET seq = $1', [2 * SEQUENCES + 1]);
    expect(await kept()).toEqual([null, null]);
    await system.pool.query('UPDATE sekali.horizon SET seq = $1', [2 * SEQUENCES - 9]);
    expect(await kept()).toEqual([null, 'messages']);
    await system.pool.query('UPDATE sekali.horizon SET seq = $1', [3 * SEQUENCES]);
    await system.pool.query(
      `INSERT INTO sekali.event SELECT stream_id, seq, topic, event_id, 's', now(), '{}', now(), stored_at
       FROM sekali.event_key WHERE seq = $1`,
      [SEQUENCES + 1],
    );
    expect(await kept()).toEqual([null, 'payloads']);
    expect((await forget()).steps).toEqual([{ generation: 0, ids: STORED }]);
    expect(await keysIn(1)).toBe(STORED);
  });

  it('of a stream that another has replaced are forgotten, although its messages never left it', async () => {
    await fill();
    await system.pool.query('DELETE FROM sekali.stream_floor');
    expect((await forget()).steps).toEqual([]);
    await SEKALI_LEDGER.registry.of(system.pool, { ...KEY, identity: 'second' });
    expect((await forget()).steps).toHaveLength(2);
    await expectWhole();
  });

  it('of a stream that lost its newest messages are forgotten up to where its successor begins', async () => {
    await fill();
    const base = { incarnation: { streamId, revision: 1 }, seq: 2 * SEQUENCES + 5 };
    await SEKALI_LEDGER.registry.add(system.pool, KEY, base);
    await system.pool.query('UPDATE sekali.stream_floor SET seq = $1', [2 * SEQUENCES]);
    expect((await forget()).steps).toEqual([{ generation: 0, ids: STORED }]);
    await noteStreamFloor(worker, { segments: [segment()] }, 2 * SEQUENCES + 1);
    expect((await forget()).steps).toEqual([{ generation: 1, ids: STORED }]);
    await expectWhole();
  });

  it('are noted without effect until their generation is empty, and noted once more when keys may have moved', async () => {
    await fill();
    for (let step = 0; step < 3; step++) await worker.query('SELECT sekali.forget_ids(700)');
    const noted = await system.pool.query(
      'SELECT keys::int AS keys, forgotten_at FROM sekali.forgotten_generation',
    );
    expect(noted.rows).toEqual([{ keys: 2_100, forgotten_at: null }]);
    expect(await forgottenIds(system.pool)).toEqual([]);
    await expectWhole();
    await SEKALI_LEDGER.registry.of(system.pool, { ...KEY, name: 'OTHER' });
    const { rows } = await worker.query<{ ids: number }>(
      'SELECT ids::int AS ids FROM sekali.forget_ids(700)',
    );
    expect(rows).toEqual([{ ids: 700 }]);
    expect((await forget()).steps).toHaveLength(2);
    await expectWhole();
  });

  it('are forgotten once when several workers do it', async () => {
    await fill();
    const passes = await Promise.all([forget(), forget(), forget()]);
    const rest = await forget();
    expect([...passes, rest].flatMap(({ steps }) => steps)).toHaveLength(2);
    await expectWhole();
  });

  it('wait for an audit, which sees all of them', async () => {
    await fill();
    await withAuditSnapshot(system.pool, async (database) => {
      expect(await forget()).toEqual({ isDone: false, steps: [] });
      const { rows } = await database.query('SELECT count(*)::int AS keys FROM sekali.event_key');
      expect(rows).toEqual([{ keys: 3 * STORED }]);
    });
    expect((await forget()).steps).toHaveLength(2);
  });

  it('end their pass by a signal', async () => {
    await fill();
    expect(await forget(AbortSignal.abort())).toEqual({ isDone: false, steps: [] });
  });

  it('leave an empty table, which is dropped a day later', async () => {
    await fill();
    await forget();
    const tables = async (): Promise<unknown> =>
      (
        await system.pool.query(
          `SELECT relname AS name FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
           WHERE inhparent = 'sekali.event_key'::regclass ORDER BY 1`,
        )
      ).rows;
    const names = [{ name: 'event_key_g1' }, { name: 'event_key_g2' }, { name: 'event_key_g3' }];
    expect(await tables()).toEqual(names);
    await system.pool.query(
      `UPDATE sekali.forgotten_generation SET forgotten_at = forgotten_at - interval '25 hours'`,
    );
    expect(await forget()).toEqual({ isDone: true, steps: [] });
    expect(await tables()).toEqual(names.slice(1));
    await expectWhole();
  });

  it('have a generation end after an eighth of the age, and after a day at the earliest', async () => {
    await fill();
    await system.pool.query(FILL.replaceAll('event_key_generation', table(3)), [
      streamId,
      3 * SEQUENCES + 1,
      3 * SEQUENCES + 20,
      new Date(),
    ]);
    const opened = (hours: number) =>
      system.pool.query(
        `UPDATE sekali.key_generation SET opened_at = now() - $1 * interval '1 hour' WHERE closed_at IS NULL`,
        [hours],
      );
    await writeRowAges(system.pool, { id: 80 });
    await opened(239);
    await forget();
    expect(await generations()).toEqual([0, 1, 2, 3]);
    await opened(241);
    await forget();
    expect(await generations()).toEqual([0, 1, 2, 3, 4]);
    // An empty one goes on.
    await opened(241);
    await forget();
    expect(await generations()).toEqual([0, 1, 2, 3, 4]);
  });

  it('are counted by the audit as doubled when a sequence has a key again', async () => {
    await fill();
    await forget();
    await system.pool.query(
      `INSERT INTO sekali.event_key_g3 (topic, event_id, stream_id, seq, digest) VALUES ('t', 'again', $1, 2, 0)`,
      [streamId],
    );
    const runs: LedgerRun[] = [];
    for await (const chunk of ledgerChunks(system.pool, segment())) runs.push(...chunk.runs);
    expect(runs.filter(({ doubledIn }) => doubledIn.length > 0)).toEqual([
      { first: 2, last: 2, doubledIn: ['event_key', 'forgotten event_key'] },
    ]);
  });
});
