/** Duplicates, conflicts and dead letters are dropped by age, where their message cannot come again, and stay counted. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { counterFaults } from './audit-counters.js';
import { droppedRows } from './audit-dropped-rows.js';
import { ledgerChunks, type LedgerRun } from './audit-ledger.js';
import { grantRights } from './grants.js';
import { SEKALI_LEDGER, STORE_HORIZON } from './ledger.js';
import {
  agedRows,
  dropAgedRows,
  noteStreamFloor,
  RowPlaces,
  writeRowAges,
  type DroppedRows,
  type RowAges,
} from './row-retention.js';

/** Of each hundred sequences, 60 are stored, 20 duplicates, 10 conflicts and 10 dead letters. */
const FILL = `
WITH input AS (
  SELECT seq, CASE WHEN seq % 10 < 6 THEN 'stored' WHEN seq % 10 < 8 THEN 'duplicate' WHEN seq % 10 = 8 THEN 'conflict' ELSE 'dead' END AS kind
  FROM generate_series(1, $2::integer) AS seq
), keys AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
  SELECT 't', 'e' || seq, $1, seq, 0 FROM input WHERE kind = 'stored'
), repeats AS (
  INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at, recorded_at)
  SELECT $1, seq, 't', 'e1', $1, 1, kind = 'conflict', now(), now() - interval '9 days' FROM input WHERE kind IN ('duplicate', 'conflict')
), letters AS (
  INSERT INTO sekali.dead_letter (stream_id, seq, topic, event_id, subject, reason, detail, body, deliveries, published_at, recorded_at)
  SELECT $1, seq, 't', 'x' || seq, 's', 'not_json', '', '', 1, now(), now() - interval '9 days' FROM input WHERE kind = 'dead'
)
INSERT INTO sekali.counter SELECT $1, 't', 0, count(*) FILTER (WHERE kind = 'stored'),
  count(*) FILTER (WHERE kind IN ('duplicate', 'conflict')), count(*) FILTER (WHERE kind = 'conflict'), count(*) FILTER (WHERE kind = 'dead'), 0
FROM input`;
const SEQUENCES = 5_000;

let system: TestSystem;
let worker: Pool;
let workerUrl: string;
let streamId: number;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  workerUrl = urls.worker;
  worker = createPool({ url: workerUrl, name: 'dropping', connectionsMax: 4, transactionMsMax: 60_000 });
  const { registry } = SEKALI_LEDGER;
  ({ streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' }));
  await system.pool.query(FILL, [streamId, SEQUENCES]);
  await STORE_HORIZON.settled(worker, streamId);
});

afterEach(async () => {
  await worker.end();
  await system.dispose();
});

const segment = () => ({ streamId, after: 0, upTo: Number.MAX_SAFE_INTEGER });
const NO_AGES: RowAges = { duplicate: undefined, conflict: undefined, dead_letter: undefined };

async function floor(seq: number): Promise<void> {
  await noteStreamFloor(worker, { segments: [segment()] }, seq);
}

async function drop(places?: RowPlaces): Promise<DroppedRows & { isDone: boolean }> {
  const sum = { duplicates: 0, conflicts: 0, deadLetters: 0 };
  const isDone = await dropAgedRows(worker, {
    rowsMax: 100,
    pauseFactor: 0,
    ...(places && { places }),
    onStep: ({ duplicates, conflicts, deadLetters }) => {
      sum.duplicates += duplicates;
      sum.conflicts += conflicts;
      sum.deadLetters += deadLetters;
    },
  });
  return { ...sum, isDone };
}

/** How many entries of the two tables' keys were read so far. A session has written its statistics when it is gone. */
async function rowsRead(): Promise<{ duplicate: number; letter: number }> {
  await worker.end();
  const sessions = `SELECT FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'dropping'`;
  await waitFor(async () => (await system.pool.query(sessions)).rowCount === 0, {
    timeoutMs: 20_000,
    describe: 'the sessions to end',
  });
  worker = createPool({ url: workerUrl, name: 'dropping', connectionsMax: 4, transactionMsMax: 60_000 });
  const { rows } = await system.pool.query<{ duplicate: number; letter: number }>(
    `SELECT pg_stat_get_tuples_returned('sekali.duplicate_sequence'::regclass)::int AS duplicate,
       pg_stat_get_tuples_returned('sekali.dead_letter_sequence'::regclass)::int AS letter`,
  );
  return rows[0] ?? { duplicate: 0, letter: 0 };
}

/** Each sequence has one end, every counter is right, and the two records agree. */
async function expectWhole(): Promise<void> {
  const runs: LedgerRun[] = [];
  for await (const chunk of ledgerChunks(system.pool, segment(), 700)) runs.push(...chunk.runs);
  expect(runs.filter(({ doubledIn }) => doubledIn.length > 0)).toEqual([]);
  expect(runs.reduce((sum, { first, last }) => sum + last - first + 1, 0)).toBe(SEQUENCES);
  expect(await counterFaults(system.pool, streamId, 10)).toEqual([]);
  for (const dropped of await droppedRows(system.pool)) {
    expect(dropped.duplicatesMarked).toBe(dropped.duplicates);
    expect(dropped.deadLettersMarked).toBe(dropped.deadLetters);
  }
}

describe('rows of an age', () => {
  it('are dropped by kind, and each sequence keeps its one end', async () => {
    await floor(SEQUENCES + 1);
    expect(await drop()).toMatchObject({ duplicates: 0, deadLetters: 0 });
    await writeRowAges(system.pool, { ...NO_AGES, duplicate: 8, conflict: 9 });
    expect(await agedRows(worker)).toEqual([{ kind: 'duplicate', rows: 998 }]);
    expect(await drop()).toEqual({ isDone: true, duplicates: 998, conflicts: 0, deadLetters: 0 });
    await expectWhole();
    await writeRowAges(system.pool, { ...NO_AGES, conflict: 8, dead_letter: 8 });
    expect(await drop()).toEqual({ isDone: true, duplicates: 499, conflicts: 499, deadLetters: 499 });
    await expectWhole();
    expect(await droppedRows(system.pool)).toMatchObject([
      { duplicates: 1_497, conflicts: 499, deadLetters: 499 },
    ]);
  });

  it('may be written by several setups at the same time', async () => {
    const ages: RowAges = { duplicate: 1, conflict: 2, dead_letter: 3 };
    await Promise.all(Array.from({ length: 40 }, () => writeRowAges(system.pool, ages)));
    const { rows } = await system.pool.query('SELECT days FROM sekali.retention_age ORDER BY days');
    expect(rows).toEqual([{ days: 1 }, { days: 2 }, { days: 3 }]);
  });

  it('are read once a day where they stay, and not at all without an age', async () => {
    await floor(SEQUENCES + 1);
    await writeRowAges(system.pool, { ...NO_AGES, conflict: 1 });
    const places = new RowPlaces();
    const readBy = async (): Promise<{ duplicates: number; letters: number }> => {
      const before = await rowsRead();
      await drop(places);
      const after = await rowsRead();
      return { duplicates: after.duplicate - before.duplicate, letters: after.letter - before.letter };
    };
    const first = await readBy();
    expect(first.duplicates).toBeGreaterThan(1_400);
    // The newest rows of the tables are looked up at each step.
    expect(first.letters).toBeLessThan(100);
    expect((await readBy()).duplicates).toBeLessThan(200);
    await writeRowAges(system.pool, { ...NO_AGES, duplicate: 1 });
    expect(await drop(places)).toMatchObject({ duplicates: 998, isDone: true });
    await expectWhole();
  });

  it('stay while the stream may deliver their message again, and while something below it is not settled', async () => {
    await writeRowAges(system.pool, { duplicate: 1, conflict: 1, dead_letter: 1 });
    expect(await drop()).toMatchObject({ isDone: true, duplicates: 0 });
    await floor(101);
    expect(await drop()).toMatchObject({ duplicates: 30, deadLetters: 10 });
    // The floor of a stream only grows.
    await floor(1);
    await floor(201);
    await system.pool.query('UPDATE sekali.horizon SET seq = 150');
    expect(await drop()).toMatchObject({ duplicates: 15, deadLetters: 5 });
    await expectWhole();
  });

  it('stay where they say what became of a replay', async () => {
    await writeRowAges(system.pool, { duplicate: 1, conflict: 1, dead_letter: undefined });
    await floor(SEQUENCES + 1);
    await system.pool.query(
      `INSERT INTO sekali.dead_letter_action (consumer, seq, published_at, number, kind, topic, event_id, replay_seq)
       SELECT 'store', 9, published_at, 1, 'replay', 't', 'e1', 16 FROM sekali.dead_letter WHERE seq = 9`,
    );
    await drop();
    const { rows } = await system.pool.query(
      'SELECT seq::int AS seq FROM sekali.duplicate ORDER BY seq LIMIT 2',
    );
    expect(rows[0]).toEqual({ seq: 16 });
    await writeRowAges(system.pool, { duplicate: 1, conflict: 1, dead_letter: 1 });
    await drop();
    expect((await system.pool.query('SELECT FROM sekali.dead_letter_action')).rowCount).toBe(0);
    expect(await drop()).toMatchObject({ duplicates: 1 });
    await expectWhole();
  });

  it('are counted by the audit as doubled when a row is there that was dropped', async () => {
    await writeRowAges(system.pool, { ...NO_AGES, duplicate: 1 });
    await floor(SEQUENCES + 1);
    await drop();
    await system.pool.query(
      `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 6, 't', 'e1', $1, 1, false, now())`,
      [streamId],
    );
    const runs: LedgerRun[] = [];
    for await (const chunk of ledgerChunks(system.pool, segment())) runs.push(...chunk.runs);
    expect(runs.filter(({ doubledIn }) => doubledIn.length > 0)).toEqual([
      { first: 6, last: 6, doubledIn: ['dropped duplicate', 'duplicate'] },
    ]);
    expect(await counterFaults(system.pool, streamId, 10)).toHaveLength(1);
  });

  it('are dropped once when several workers do it', async () => {
    await writeRowAges(system.pool, { duplicate: 1, conflict: 1, dead_letter: 1 });
    await floor(SEQUENCES + 1);
    await Promise.all(
      Array.from({ length: 4 }, async () => {
        while (!(await drop()).isDone);
      }),
    );
    await expectWhole();
    expect(await droppedRows(system.pool)).toMatchObject([
      { duplicates: 1_497, conflicts: 499, deadLetters: 499 },
    ]);
  });
});
