/** Payloads are dropped by the age of their topic's rule, once and with a record, whatever else goes on or dies. */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { compareHistory } from '#idempotent-consumer/postgres';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import { droppedPayloads } from './audit-retention.js';
import { ledgerChunks, type RowFault } from './audit-ledger.js';
import type { EventFilter } from './event-filter.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { findEvent } from './event-queries.js';
import { findConflicts } from './event-store.js';
import { grantRights } from './grants.js';
import { SEKALI_LEDGER } from './ledger.js';
import { ensurePartitions } from './partitions.js';
import { agedPayloads, dropAgedPayloads, type DroppedStep } from './retention.js';
import { retentionRules, writeRetentionRules } from './retention-rules.js';

const DAY_MS = 86_400_000;
/** Partitions exist from here on. */
const OLDEST_DAYS_AGO = 12;

const INSERT = `
WITH key AS (
  INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest, stored_at)
  SELECT $2, 'e' || seq, $1, seq, seq, $5 FROM generate_series($3::bigint, $4::bigint) AS seq RETURNING *
)
INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
SELECT stream_id, seq, topic, event_id, 's', now(), jsonb_build_object('n', seq), '2026-01-01'::timestamptz + seq * interval '1 s', stored_at
FROM key`;

let system: TestSystem;
let worker: Pool;
let streamId: number;
let last: number;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'dropping', connectionsMax: 4, transactionMsMax: 120_000 });
  const { registry } = SEKALI_LEDGER;
  ({ streamId } = await registry.of(system.pool, { name: system.streamName, identity: 'first' }));
  await ensurePartitions(system.pool, new Date(Date.now() - OLDEST_DAYS_AGO * DAY_MS));
  // It makes the partitions between, too.
  await ensurePartitions(system.pool, new Date(Date.now() - (OLDEST_DAYS_AGO - 7) * DAY_MS));
  last = 0;
});

afterEach(async () => {
  await worker.end();
  await system.dispose();
});

async function store(topic: string, events: number, daysAgo: number): Promise<void> {
  const first = last + 1;
  last += events;
  const storedAt = new Date(Date.now() - daysAgo * DAY_MS);
  await system.pool.query(INSERT, [streamId, topic, first, last, storedAt]);
}

async function rule(text: string): Promise<void> {
  await writeRetentionRules(system.pool, retentionRules(text));
}

const dayOf = (daysAgo: number): string => new Date(Date.now() - daysAgo * DAY_MS).toISOString().slice(0, 10);
const partitionOf = (daysAgo: number): string => `event_${dayOf(daysAgo).replaceAll('-', '')}`;

const emptyDay = (daysAgo: number) => ({
  ...{ partition: partitionOf(daysAgo), day: dayOf(daysAgo), topic: null, isWhole: true, rows: 0, bytes: 0 },
});

async function drop(rowsMax = 100): Promise<{ isDone: boolean; steps: DroppedStep[] }> {
  const steps: DroppedStep[] = [];
  const options = { onStep: (step: DroppedStep) => void steps.push(step), rowsMax, pauseFactor: 0 };
  return { isDone: await dropAgedPayloads(worker, options), steps };
}

/** The events that are left, as `topic daysAgo: count`. */
async function left(): Promise<string[]> {
  const { rows } = await system.pool.query<{ text: string }>(
    `SELECT topic || ' ' || (now() AT TIME ZONE 'UTC')::date - (stored_at AT TIME ZONE 'UTC')::date || ': ' || count(*) AS text
     FROM sekali.event GROUP BY topic, (stored_at AT TIME ZONE 'UTC')::date ORDER BY 1`,
  );
  return rows.map(({ text }) => text);
}

async function partitions(): Promise<string[]> {
  const { rows } = await system.pool.query<{ name: string }>(
    `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'sekali.event'::regclass`,
  );
  return rows.map(({ name }) => name.replace(/^sekali\./, ''));
}

/** What the audit would say of the rows, and of the record of what was dropped. */
async function faults(): Promise<unknown[]> {
  const found: RowFault[] = [];
  const all = { streamId, after: 0, upTo: Number.MAX_SAFE_INTEGER };
  for await (const chunk of ledgerChunks(system.pool, all)) found.push(...chunk.faults);
  return [...found, ...(await droppedPayloads(system.pool)).faults];
}

describe('retention', () => {
  it('drops nothing without a rule, and nothing that is not older than its rule', async () => {
    await store('logs.web', 5, 9);
    expect(await agedPayloads(worker, true)).toEqual([]);
    expect(await drop()).toEqual({ isDone: true, steps: [] });
    await rule('logs.*=9d');
    expect((await drop()).steps.filter(({ rows }) => rows > 0)).toEqual([]);
    expect(await left()).toEqual(['logs.web 9: 5']);
    await rule('logs.*=8d');
    expect((await drop()).steps).toMatchObject([{ partition: partitionOf(9), topic: null, rows: 5 }]);
    expect(await left()).toEqual([]);
  });

  it('drops a whole day when every topic in it is older than its rule, and rows where only some are', async () => {
    for (const daysAgo of [11, 9, 3]) {
      await store('logs.web.front', 250, daysAgo);
      await store('orders', 20, daysAgo);
    }
    await store('audit.login', 7, 11);
    await rule('audit.>=forever,logs.>=2d,>=10d');
    const bytes = expect.any(Number);
    const due = await agedPayloads(worker, true);
    expect(due).toEqual([
      emptyDay(12),
      {
        partition: partitionOf(11),
        day: dayOf(11),
        topic: 'logs.web.front',
        isWhole: false,
        rows: 250,
        bytes,
      },
      { partition: partitionOf(11), day: dayOf(11), topic: 'orders', isWhole: false, rows: 20, bytes },
      emptyDay(10),
      { partition: partitionOf(9), day: dayOf(9), topic: 'logs.web.front', isWhole: false, rows: 250, bytes },
      ...[8, 7, 6, 5, 4].map(emptyDay),
      { partition: partitionOf(3), day: dayOf(3), topic: 'logs.web.front', isWhole: false, rows: 250, bytes },
      emptyDay(2),
    ]);
    const { isDone, steps } = await drop();
    expect(isDone).toBe(true);
    const rows = steps.filter(({ topic }) => topic === 'logs.web.front').map((step) => step.rows);
    expect(rows).toEqual([100, 100, 50, 100, 100, 50, 100, 100, 50]);
    expect(await left()).toEqual(['audit.login 11: 7', 'orders 3: 20', 'orders 9: 20']);
    await rule('>=2d');
    await drop();
    expect(await left()).toEqual([]);
    expect(await partitions()).not.toContain(partitionOf(3));
    const dropped = await droppedPayloads(system.pool);
    expect(dropped).toMatchObject({ rows: 817, faults: [] });
    expect(dropped.bytes).toBeGreaterThan(817 * 10);
    expect(await faults()).toEqual([]);
  });

  it('keeps the ids: an event long gone is known, and a repeat of it with another payload is a conflict', async () => {
    await store('orders', 3, 9);
    await rule('>=1d');
    await drop();
    expect(await findEvent(system.pool, 'orders', 'e2')).toMatchObject({ state: 'dropped', seq: 2 });
    const { rows } = await system.pool.query('SELECT count(*)::int AS keys FROM sekali.event_key');
    expect(rows).toEqual([{ keys: 3 }]);
    // The inbox asks only where the digests of the texts differ. Without the payload, such texts are other payloads.
    const event = { topic: 'orders', eventId: 'e2', timestamp: '', source: 's', payload: '{"n":2}' };
    expect(await findConflicts(system.pool, [{ seq: 9, event }])).toEqual(new Set([9]));
  });

  it('deletes rows of days that have no partition', async () => {
    await store('logs', 5, 40);
    await store('orders', 5, 50);
    await rule('logs=30d');
    expect(await agedPayloads(worker, true)).toContainEqual(
      expect.objectContaining({
        partition: 'event_default',
        day: null,
        topic: 'logs',
        isWhole: false,
        rows: 5,
      }),
    );
    expect((await drop(2)).isDone).toBe(true);
    expect(await left()).toEqual(['orders 50: 5']);
    expect(await faults()).toEqual([]);
  });

  it('obeys the first rule that matches, and the patterns of topics', async () => {
    const topics = ['a', 'a.b', 'a.b.c', 'a-b', 'b'];
    for (const topic of topics) await store(topic, 1, 9);
    const dueWith = async (text: string): Promise<(string | null)[]> => {
      await rule(text);
      return (await agedPayloads(worker, true)).filter(({ rows }) => rows > 0).map(({ topic }) => topic);
    };
    expect(await dueWith('a=2d')).toEqual(['a']);
    expect(await dueWith('a.*=2d')).toEqual(['a.b']);
    expect(await dueWith('a.>=2d')).toEqual(['a.b', 'a.b.c']);
    expect(await dueWith('*=2d')).toEqual(['a', 'a-b', 'b']);
    expect(await dueWith('*.b.*=2d')).toEqual(['a.b.c']);
    expect(await dueWith('a.b=forever,>=2d')).toEqual(['a', 'a-b', 'a.b.c', 'b']);
    expect(await dueWith('a.>=10d,>=2d')).toEqual(['a', 'a-b', 'b']);
  });

  it('writes rules once, and removes those that are not set any more', async () => {
    const rules = retentionRules('logs.>=7d, >=90d');
    expect(rules).toEqual([
      { pattern: 'logs.>', days: 7 },
      { pattern: '>', days: 90 },
    ]);
    expect(await writeRetentionRules(system.pool, rules)).toEqual(rules);
    expect(await writeRetentionRules(system.pool, rules)).toBeUndefined();
    expect(await writeRetentionRules(system.pool, retentionRules(undefined))).toEqual([]);
  });

  it('lets the history of a stream be compared when every payload is gone', async () => {
    await store('orders', 2_500, 9);
    await rule('>=1d');
    await drop();
    const incarnation = await SEKALI_LEDGER.registry.of(system.pool, {
      name: system.streamName,
      identity: 'first',
    });
    const known = { tables: SEKALI_LEDGER.datedTables, incarnation };
    const publishedMs = (seq: number): number => Date.parse('2026-01-01T00:00:00Z') + seq * 1_000;
    const streamOf = (lastSeq: number, differsFrom: number) => ({
      bounds: () => Promise.resolve({ firstSeq: 1, lastSeq }),
      publishedAt: (seqs: readonly number[]) =>
        Promise.resolve(new Map(seqs.map((seq) => [seq, publishedMs(seq) + (seq >= differsFrom ? 1 : 0)]))),
    });
    expect(await compareHistory(system.pool, known, streamOf(2_500, Infinity))).toEqual({ agrees: true });
    expect(await compareHistory(system.pool, known, streamOf(2_500, 2_500))).toMatchObject({
      differsAt: 2_500,
    });
    expect(await compareHistory(system.pool, known, streamOf(2_499, Infinity))).toMatchObject({
      agrees: false,
    });
    expect(await compareHistory(system.pool, known, streamOf(3_000, 1_500))).toMatchObject({
      agrees: false,
      commonSeq: 1_000,
    });
  });
});

/** Begins to drop the day of `logs`, and to read all days while that is counted. */
async function readerOfCountedDay() {
  const [writer, reader] = [await system.pool.connect(), await system.pool.connect()];
  // The record of this day waits for the transaction, so the count does.
  await writer.query('BEGIN');
  await writer.query(`INSERT INTO sekali.dropped_payload VALUES ('logs', $1, 1, 1)`, [dayOf(9)]);
  const dropping = drop().catch((error: unknown) => ({ error: String(error) }));
  const waits = `SELECT FROM pg_stat_activity
    WHERE datname = current_database() AND application_name = 'dropping' AND wait_event = 'transactionid'`;
  await waitFor(async () => (await system.pool.query(waits)).rowCount === 1, {
    timeoutMs: 20_000,
    describe: 'the drop to count',
  });
  await reader.query('BEGIN; LOCK TABLE sekali.event IN ACCESS SHARE MODE');
  await writer.query('ROLLBACK');
  writer.release();
  return { reader, dropping };
}

/** One step of dropping the day of `logs`. */
async function step(rowsMax: number): Promise<{ rows: number; is_dropped: boolean } | undefined> {
  const { rows } = await worker.query<{ rows: number; is_dropped: boolean }>(
    'SELECT rows::int AS rows, is_dropped FROM sekali.drop_payload_day_step($1, $2)',
    [partitionOf(9), rowsMax],
  );
  return rows[0];
}

describe('a day that is dropped', () => {
  const noted = async (): Promise<unknown> =>
    (await system.pool.query('SELECT topic, rows::int AS rows FROM sekali.noted_payload ORDER BY 1')).rows;

  it('is noted before, some events at a time, and its notes count from the drop on', async () => {
    await store('logs', 250, 9);
    await store('orders', 250, 9);
    await rule('>=1d');
    const steps: DroppedStep[] = [];
    const counts: number[] = [];
    const isDone = await dropAgedPayloads(worker, {
      ...{ notedMax: 100, pauseFactor: 0 },
      onStep: (done) => void steps.push(done),
      onNoted: (rows) => {
        if (rows > 0) counts.push(rows);
      },
    });
    expect(isDone).toBe(true);
    expect(counts).toEqual([100, 100, 100, 100, 100]);
    expect(steps.filter(({ rows }) => rows > 0)).toEqual([
      { partition: partitionOf(9), topic: null, rows: 500, bytes: expect.any(Number) },
    ]);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 500, faults: [] });
    expect(await noted()).toEqual([]);
  });

  it('is noted once more when a worker deletes rows of it, or rows may have moved', async () => {
    await store('logs', 300, 9);
    await store('orders', 100, 9);
    await rule('>=1d');
    await step(100);
    expect(await step(100)).toEqual({ rows: 100, is_dropped: false });
    expect(await noted()).toEqual([{ topic: 'logs', rows: 100 }]);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 0, faults: [] });
    await worker.query(`SELECT sekali.drop_payload_rows($1, 'logs', 0, 0, 50)`, [partitionOf(9)]);
    expect(await noted()).toEqual([]);
    await step(100);
    await step(100);
    await SEKALI_LEDGER.registry.of(system.pool, { name: 'OTHER', identity: 'another' });
    await step(100);
    expect(await noted()).toEqual([]);
    expect((await drop()).isDone).toBe(true);
    expect(await left()).toEqual([]);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 400, faults: [] });
    expect(await faults()).toEqual([]);
  });

  it('goes on where another pass ended, also when a rule keeps it for some time', async () => {
    await store('logs', 300, 9);
    await rule('>=1d');
    await step(100);
    await step(100);
    await rule('>=30d');
    expect((await drop()).steps.filter(({ rows }) => rows > 0)).toEqual([]);
    await rule('>=1d');
    expect(await step(200)).toEqual({ rows: 200, is_dropped: false });
    await rule('>=30d');
    expect(await step(200)).toBeUndefined();
    expect(await noted()).toEqual([]);
    await rule('>=1d');
    expect((await drop()).isDone).toBe(true);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 300, faults: [] });
  });
});

describe('retention next to others', () => {
  it('drops each payload once when several workers do it', async () => {
    await store('logs', 2_000, 9);
    await store('orders', 2_000, 9);
    await store('orders', 2_000, 8);
    await rule('logs=1d,orders=8d');
    const passes = Array.from({ length: 4 }, async () => {
      while (!(await drop(50)).isDone);
    });
    await Promise.all(passes);
    expect(await left()).toEqual(['orders 8: 2000']);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 4_000, faults: [] });
  });

  it('has a whole record, and goes on, wherever it is killed', async () => {
    await store('logs', 3_000, 9);
    await store('orders', 10, 9);
    await store('logs', 3_000, 10);
    await rule('orders=9d,logs=1d');
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name = 'dropping'`;
    const noted = async (): Promise<number> =>
      (await system.pool.query<{ rows: number }>('SELECT sum(rows)::int AS rows FROM sekali.dropped_payload'))
        .rows[0]?.rows ?? 0;
    let killed = 0;
    const run = { isDone: false };
    while (!run.isDone) {
      const over = new AbortController();
      const pass = drop(5)
        .then(
          (result) => (run.isDone = result.isDone),
          () => killed++,
        )
        .finally(() => {
          over.abort();
        });
      while (!over.signal.aborted && killed < 20) {
        const before = await noted();
        await waitFor(async () => over.signal.aborted || (await noted()) > before, {
          timeoutMs: 20_000,
          describe: 'the pass to go on',
        });
        await system.pool.query(kill);
      }
      await pass;
      expect((await droppedPayloads(system.pool)).faults).toEqual([]);
    }
    expect(killed).toBeGreaterThan(2);
    expect(await left()).toEqual(['orders 9: 10']);
    expect(await faults()).toEqual([]);
    expect(await partitions()).not.toContain(partitionOf(10));
  });

  it('leaves out a day that is read for long, and drops the others', async () => {
    for (const daysAgo of [9, 8, 7]) await store('logs', 150, daysAgo);
    await store('orders', 10, 7);
    await rule('logs=1d');
    const reader = await system.pool.connect();
    await reader.query(`BEGIN; LOCK TABLE sekali.${partitionOf(9)} IN ACCESS SHARE MODE`);
    const busy: string[] = [];
    const options = { onStep: () => undefined, onBusyDay: (day: string) => void busy.push(day) };
    expect(await dropAgedPayloads(worker, options)).toBe(false);
    expect(busy).toEqual([partitionOf(9)]);
    expect(await left()).toEqual(['logs 9: 150', 'orders 7: 10']);
    await reader.query('COMMIT');
    reader.release();
    expect((await drop()).isDone).toBe(true);
    expect(await left()).toEqual(['orders 7: 10']);
    expect(await faults()).toEqual([]);
  });

  it('undoes a day whose drop is killed while it waits', async () => {
    await store('logs', 100, 9);
    await rule('>=1d');
    const { reader, dropping } = await readerOfCountedDay();
    const kill = `SELECT pg_terminate_backend(pid) FROM pg_locks WHERE NOT granted AND relation = 'sekali.event'::regclass`;
    const run = { isOver: false };
    void dropping.finally(() => (run.isOver = true));
    // A wait is short, and the next one is seconds later. So one may end before it is killed.
    await waitFor(async () => await system.pool.query(kill).then(() => run.isOver), {
      timeoutMs: 40_000,
      describe: 'the drop to be killed while it waits for the reader',
    });
    expect(await dropping).toMatchObject({ error: expect.stringContaining('terminat') });
    await reader.query('COMMIT');
    reader.release();
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 0, faults: [] });
    expect(await left()).toEqual(['logs 9: 100']);
    expect((await drop()).isDone).toBe(true);
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 100, faults: [] });
  });

  it('lets events be stored and read while a long reader keeps it from dropping a day', async () => {
    await store('logs', 100, 9);
    await rule('>=1d');
    const { reader, dropping } = await readerOfCountedDay();
    const waits = `SELECT count(*)::int AS waits FROM pg_locks WHERE NOT granted AND relation = 'sekali.event'::regclass`;
    await waitFor(async () => (await system.pool.query<{ waits: number }>(waits)).rows[0]?.waits === 1, {
      timeoutMs: 20_000,
      describe: 'the drop to wait for the reader',
    });
    // The reader has not ended. An insert waits only until the drop gives way.
    await store('logs', 10, 0);
    expect(await left()).toEqual(['logs 0: 10', 'logs 9: 100']);
    await reader.query('COMMIT');
    reader.release();
    expect(await dropping).toMatchObject({ isDone: true });
    expect(await left()).toEqual(['logs 0: 10']);
  }, 120_000);

  it.each<[string, EventFilter]>([
    ['all events', {}],
    ['a topic', { topic: 'kept' }],
  ])(
    'has no page of %s skip or repeat what still exists',
    async (_name, filter) => {
      for (const daysAgo of [11, 10, 9, 8]) {
        for (let n = 0; n < 10; n++) {
          await store('logs', 100, daysAgo);
          await store('kept', 20, daysAgo);
        }
      }
      await store('logs', 2_000, 7);
      await rule('logs=1d');
      const run = { isOver: false };
      const dropping = drop(50).finally(() => (run.isOver = true));
      const storing = (async () => {
        while (!run.isOver) await store('kept', 5, 0);
      })();
      const read = async (): Promise<number[]> => {
        const seqs: number[] = [];
        let after = FIRST_POSITION;
        for (;;) {
          const page = await eventPage(system.pool, filter, after, 70, () => Promise.resolve(0));
          seqs.push(...page.events.map(({ seq }) => seq));
          if (page.next === undefined) return seqs;
          after = page.next;
        }
      };
      const readings: { seqs: number[]; upTo: number }[] = [];
      const pager = (async () => {
        do {
          const upTo = (
            await system.pool.query<{ seq: number }>('SELECT max(seq)::int AS seq FROM sekali.event')
          ).rows[0]?.seq;
          readings.push({ seqs: await read(), upTo: upTo ?? 0 });
        } while (!run.isOver);
      })();
      await Promise.all([dropping, storing, pager]);
      const { rows } = await system.pool.query<{ seq: number }>(
        'SELECT seq::int AS seq FROM sekali.event WHERE $1::text IS NULL OR topic = $1 ORDER BY seq',
        [filter.topic ?? null],
      );
      for (const { seqs, upTo } of readings) {
        expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
        const seen = new Set(seqs);
        expect(rows.filter(({ seq }) => seq <= upTo && !seen.has(seq))).toEqual([]);
      }
      expect(await left()).not.toContainEqual(expect.stringMatching(/^logs/));
      expect(await faults()).toEqual([]);
    },
    120_000,
  );
});

describe('the record of what was dropped', () => {
  it('shows an event that lacks its row without having been dropped, and one too many in the record', async () => {
    await store('logs', 10, 9);
    await store('orders', 10, 9);
    await rule('logs=1d');
    await drop();
    expect(await faults()).toEqual([]);
    await system.pool.query(`DELETE FROM sekali.event WHERE event_id = 'e12'`);
    expect(await faults()).toEqual([{ seq: 12, fault: 'key_without_event' }]);
    await system.pool.query(`UPDATE sekali.dropped_payload SET rows = 9`);
    expect((await droppedPayloads(system.pool)).faults).toEqual([
      { topic: 'logs', day: dayOf(9), noted: 9, missing: 10 },
    ]);
  });

  it('decides by the rule alone, whatever a worker asks of the functions', async () => {
    await store('logs', 5, 9);
    await rule('logs=30d');
    for (const call of [
      `SELECT * FROM sekali.drop_payload_day('${partitionOf(9)}')`,
      `SELECT * FROM sekali.drop_payload_day_step('${partitionOf(9)}', 10)`,
      `SELECT * FROM sekali.drop_payload_day_step('event_key', 10)`,
      `SELECT * FROM sekali.drop_payload_rows('${partitionOf(9)}', 'logs', 0, 0, 10)`,
      `SELECT * FROM sekali.drop_payload_day('event_key')`,
      `SELECT * FROM sekali.drop_payload_rows('event_key', 'logs', 0, 0, 10)`,
    ])
      expect((await worker.query<{ rows: number }>(call)).rows.filter(({ rows }) => rows > 0)).toEqual([]);
    await expect(
      worker.query(`SELECT * FROM sekali.drop_payload_rows('event_key', 'logs', 0, 0, 10001)`),
    ).rejects.toThrow('1 to 10,000');
    await expect(worker.query(`SELECT * FROM sekali.drop_payload_day_step('event_key', 0)`)).rejects.toThrow(
      '1 to 100,000',
    );
    expect(await left()).toEqual(['logs 9: 5']);
  });

  it('is whole where a worker of the version before drops a day that is being noted', async () => {
    await store('logs', 30, 9);
    await rule('>=1d');
    await step(10);
    await step(10);
    await worker.query('SELECT sekali.drop_payload_day($1)', [partitionOf(9)]);
    expect(await left()).toEqual([]);
    expect(await step(10)).toBeUndefined();
    expect(await droppedPayloads(system.pool)).toMatchObject({ rows: 30, faults: [] });
    expect((await system.pool.query('SELECT FROM sekali.noted_day')).rowCount).toBe(0);
  });
});
