/**
 * A stream that lost its newest messages becomes a new incarnation. Common rows stay, and the rest is counted again.
 */
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import {
  currentIncarnation,
  type DifferingHistory,
  type Incarnation,
  type StreamSearch,
  type StreamWitness,
} from '#idempotent-consumer/postgres';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { counterFaults } from './audit-counters.js';
import { consumerStart, noteConsumerStart } from './consumer-start.js';
import { eventPage, FIRST_POSITION } from './event-page.js';
import { setForeignAside } from './foreign-rows.js';
import { grantRights } from './grants.js';
import { createInbox, storeInboxTables } from './inbox-tables.js';
import { SEKALI_LEDGER, STORE_HORIZON } from './ledger.js';
import { storeTotals } from './stats-queries.js';

const EPOCH_MS = Date.parse('2026-11-22T10:00:00Z');
const KEY = { name: 'EVENTS', identity: 'x' };

let system: TestSystem;
/** A pool with the rights of a worker, and no others. */
let worker: Pool;
/** The stream: the time at which the message under each sequence was published. */
let stream: Map<number, number>;

beforeEach(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'worker', connectionsMax: 4, transactionMsMax: 30_000 });
  stream = new Map();
});
afterEach(async () => {
  await worker.end();
  await system.dispose();
});

const witness: StreamSearch = {
  bounds: () =>
    Promise.resolve({ firstSeq: Math.min(...stream.keys()), lastSeq: Math.max(0, ...stream.keys()) }),
  publishedAt: (seqs) => Promise.resolve(new Map([...stream].filter(([seq]) => seqs.includes(seq)))),
  nextAt: (from) => {
    const seq = Math.min(...[...stream.keys()].filter((one) => one >= from));
    const publishedMs = stream.get(seq);
    return Promise.resolve(publishedMs === undefined ? undefined : { seq, publishedMs });
  },
};

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

/** Adds messages of one history to the stream. Those of another history have other times. */
function published(history: number, from: number, to: number): void {
  for (const seq of range(from, to)) stream.set(seq, EPOCH_MS + history * 60_000 + seq);
}

/** Stores the messages that the stream has under some sequences now, with their counts. */
async function store(streamId: number, seqs: readonly number[]): Promise<void> {
  await system.pool.query(
    `WITH key AS (INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest)
       SELECT 't', 'e-' || $1::integer || '-' || seq, $1, seq, 0 FROM unnest($2::bigint[]) AS seq RETURNING *),
     event AS (INSERT INTO sekali.event (stream_id, seq, topic, event_id, source, "timestamp", payload, published_at, stored_at)
       SELECT stream_id, seq, topic, event_id, 'test', now(), '{}', to_timestamp(at / 1000), stored_at
       FROM key JOIN unnest($2::bigint[], $3::float8[]) AS published (seq, at) USING (seq))
     INSERT INTO sekali.counter AS counter VALUES ($1, 't', 3, cardinality($2::bigint[]), 0, 0, 0, 0)
     ON CONFLICT (stream_id, topic, shard) DO UPDATE SET stored = counter.stored + excluded.stored`,
    [streamId, seqs, seqs.map((seq) => stream.get(seq))],
  );
}

async function now(): Promise<{ incarnation: Incarnation; found: DifferingHistory | undefined }> {
  let found: DifferingHistory | undefined;
  const incarnation = await currentIncarnation(worker, SEKALI_LEDGER, KEY, witness, {
    onDiffering: (differing) => (found = differing),
  });
  return { incarnation, found };
}

async function seqsOf(streamId: number): Promise<number[]> {
  const { rows } = await system.pool.query<{ seq: number }>(
    'SELECT key.seq::int AS seq FROM sekali.event_key key JOIN sekali.event USING (stream_id, seq) WHERE stream_id = $1 ORDER BY 1',
    [streamId],
  );
  return rows.map(({ seq }) => seq);
}

/**
 * Fills a ledger up to a sequence, and makes the stream lose what follows another sequence and continue differently.
 */
async function diverged(known: number, common: number, last: number): Promise<Incarnation> {
  published(1, 1, known);
  const old = await SEKALI_LEDGER.registry.of(worker, KEY);
  await store(old.streamId, range(1, known));
  for (const seq of range(common + 1, known)) stream.delete(seq);
  published(2, common + 1, last);
  return old;
}

describe('a stream with the history that the database knows', () => {
  it('keeps its incarnation, also when its oldest messages have left and others have arrived', async () => {
    published(1, 1, 100);
    const { streamId } = await SEKALI_LEDGER.registry.of(worker, KEY);
    await store(streamId, range(1, 90));
    for (const seq of range(1, 40)) stream.delete(seq);
    expect(await now()).toEqual({
      incarnation: await SEKALI_LEDGER.registry.of(worker, KEY),
      found: undefined,
    });
    for (const seq of range(1, 95)) stream.delete(seq);
    expect((await now()).incarnation.revision).toBe(1);
  });

  it('keeps its incarnation while a broker without its files reports an empty stream for seconds', async () => {
    published(1, 1, 100);
    const incarnation = await SEKALI_LEDGER.registry.of(worker, KEY);
    await store(incarnation.streamId, range(1, 90));
    // These 30 times 0.25 s are longer than an older state is queried again.
    let asked = 0;
    const late: StreamWitness = {
      bounds: () => (++asked > 30 ? witness.bounds() : Promise.resolve({ firstSeq: 0, lastSeq: 0 })),
      publishedAt: (seqs) => (asked > 30 ? witness.publishedAt(seqs) : Promise.resolve(new Map())),
    };
    const current = await currentIncarnation(worker, SEKALI_LEDGER, KEY, late, {
      onDiffering: () => undefined,
    });
    expect(current).toEqual(incarnation);
  });
});

describe('a stream with another history', () => {
  it.each([
    [10, 7, 10],
    [10, 7, 7],
    [10, 7, 30],
    [1_000, 312, 1_000],
    [1_000, 999, 1_000],
    [50, 0, 50],
  ])(
    'that had %d messages, still has %d of them, and has %d now, begins after the common ones',
    async (known, common, last) => {
      const old = await diverged(known, common, last);
      const { incarnation, found } = await now();
      expect(found).toMatchObject({ commonSeq: common, knownSeq: known, lastSeq: last });
      expect(incarnation).toMatchObject({ revision: 2 });
      expect(incarnation.segments).toEqual([
        ...(common > 0 ? [{ streamId: old.streamId, after: 0, upTo: common }] : []),
        { streamId: incarnation.streamId, after: common, upTo: Number.MAX_SAFE_INTEGER },
      ]);
      expect((await now()).incarnation).toEqual(incarnation);
      expect((await storeTotals(system.pool, 'EVENTS')).settledByIdentity.get('x')?.settled).toBe(common);
      expect(await STORE_HORIZON.settled(system.pool, incarnation.streamId)).toBe(common);
    },
  );

  it('is registered once, also when several workers notice it at the same moment', async () => {
    await diverged(20, 10, 25);
    const found = await Promise.all([now(), now(), now()]);
    expect(new Set(found.map(({ incarnation }) => incarnation.streamId)).size).toBe(1);
  });

  it('moves what was stored beyond a gap to the new incarnation, with its counts and duplicates', async () => {
    published(1, 1, 12);
    const old = (await SEKALI_LEDGER.registry.of(worker, KEY)).streamId;
    await store(old, [1, 2, 3, 6, 7, 9, 10]);
    await system.pool.query(
      `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 8, 't', 'e-1-6', $1, 6, true, to_timestamp($2)), ($1, 12, 't', 'e-1-7', $1, 7, false, to_timestamp($3))`,
      [old, (stream.get(8) ?? NaN) / 1_000, (stream.get(12) ?? NaN) / 1_000],
    );
    await system.pool.query(`UPDATE sekali.counter SET duplicates = 2, conflicts = 1`);
    for (const seq of range(10, 12)) stream.delete(seq);
    published(2, 10, 20);
    const { streamId, segments } = (await now()).incarnation;
    expect(segments[0]).toEqual({ streamId: old, after: 0, upTo: 3 });
    expect([await seqsOf(old), await seqsOf(streamId)]).toEqual([
      [1, 2, 3, 10],
      [6, 7, 9],
    ]);
    const { rows } = await system.pool.query(
      'SELECT stream_id, seq::int, first_stream_id, first_seq::int FROM sekali.duplicate ORDER BY seq',
    );
    expect(rows).toEqual([
      { stream_id: streamId, seq: 8, first_stream_id: streamId, first_seq: 6 },
      { stream_id: old, seq: 12, first_stream_id: streamId, first_seq: 7 },
    ]);
    expect([await counterFaults(system.pool, old, 9), await counterFaults(system.pool, streamId, 9)]).toEqual(
      [[], []],
    );
    const { topics, settledByIdentity } = await storeTotals(system.pool, 'EVENTS');
    expect(topics).toMatchObject([{ stored: 7, duplicates: 2, conflicts: 1 }]);
    expect(settledByIdentity.get('x')).toMatchObject({ streamId, settled: 3 + 4, lastSeq: 9 });
  });

  it('moves what both histories have in common after the place where they part', async () => {
    await createInbox(worker, 'totals');
    published(1, 1, 12);
    const old = (await SEKALI_LEDGER.registry.of(worker, KEY)).streamId;
    await store(old, range(1, 11));
    await system.pool.query(
      `INSERT INTO sekali.duplicate (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 12, 't', 'e-1-8', $1, 8, false, to_timestamp($2))`,
      [old, (stream.get(12) ?? NaN) / 1_000],
    );
    await system.pool.query(`UPDATE sekali.counter SET duplicates = 1`);
    // The other inbox has what the stream lost under sequence 9.
    await system.pool.query(
      `INSERT INTO sekali.totals_key SELECT topic, CASE seq WHEN 9 THEN 'lost' ELSE event_id END, stream_id, seq, digest
       FROM sekali.event_key WHERE seq < 11`,
    );
    published(2, 6, 6);
    published(2, 11, 11);
    const { streamId, segments } = (await now()).incarnation;
    expect(segments[0]).toEqual({ streamId: old, after: 0, upTo: 5 });
    expect([await seqsOf(old), await seqsOf(streamId)]).toEqual([
      [1, 2, 3, 4, 5, 6, 11],
      [7, 8, 9, 10],
    ]);
    const { rows } = await system.pool.query(
      `SELECT stream_id, first_stream_id FROM sekali.duplicate
       UNION ALL SELECT stream_id, seq::int FROM sekali.totals_key WHERE seq > 5 ORDER BY 2`,
    );
    expect(rows).toEqual([
      { stream_id: streamId, first_stream_id: streamId },
      { stream_id: old, first_stream_id: 6 },
      { stream_id: streamId, first_stream_id: 7 },
      { stream_id: streamId, first_stream_id: 8 },
      { stream_id: old, first_stream_id: 9 },
      { stream_id: streamId, first_stream_id: 10 },
    ]);
    expect([
      await counterFaults(system.pool, old, 12),
      await counterFaults(system.pool, streamId, 12),
    ]).toEqual([[], []]);
    // The history changes again before the lost ones are stored again, so the rows are in two segments.
    published(3, 3, 3);
    const third = (await now()).incarnation;
    expect([await seqsOf(old), await seqsOf(streamId), await seqsOf(third.streamId)]).toEqual([
      [1, 2, 3, 6, 11],
      [],
      [4, 5, 7, 8, 9, 10],
    ]);
  });

  it.each(['store', 'totals'])(
    'moves everything that the inbox %s has of it to the new incarnation',
    async (inbox) => {
      await createInbox(worker, 'totals');
      const tables = storeInboxTables(inbox);
      published(1, 1, 9);
      const old = (await SEKALI_LEDGER.registry.of(worker, KEY)).streamId;
      await store(old, [1, 2, 3]);
      await system.pool.query(
        `INSERT INTO ${tables.key} (topic, event_id, stream_id, seq, digest)
       SELECT 't', 'k-' || seq, $1, seq, 0 FROM unnest(ARRAY[5, 9]) AS seq`,
        [old],
      );
      await system.pool.query(
        `INSERT INTO ${tables.duplicate} (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 6, 't', 'k-5', $1, 5, false, to_timestamp($2)), ($1, 8, 't', 'k-5', $1, 5, false, to_timestamp($3))`,
        [old, (stream.get(6) ?? NaN) / 1_000, (stream.get(8) ?? NaN) / 1_000],
      );
      await system.pool.query(
        `INSERT INTO ${tables.deadLetter} (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       VALUES ($1, 7, 't', 's.t', 'invalid', '', '', 1, to_timestamp($2))`,
        [old, (stream.get(7) ?? NaN) / 1_000],
      );
      await system.pool.query(
        `INSERT INTO ${tables.attempt} (stream_id, seq, started, finished) VALUES ($1, 9, 2, 1)`,
        [old],
      );
      if (inbox !== 'store') await store(old, [5, 6, 7, 8, 9]);
      for (const seq of [8, 9]) stream.delete(seq);
      published(2, 8, 12);
      const { streamId } = (await now()).incarnation;
      const { rows } = await system.pool.query(
        `SELECT seq::int, stream_id, first_stream_id FROM (
         SELECT seq, stream_id, NULL AS first_stream_id FROM ${tables.key} WHERE event_id LIKE 'k-%'
         UNION ALL SELECT seq, stream_id, first_stream_id FROM ${tables.duplicate}
         UNION ALL SELECT seq, stream_id, NULL FROM ${tables.deadLetter}
         UNION ALL SELECT seq, stream_id, NULL FROM ${tables.attempt}
       ) settled ORDER BY seq`,
      );
      expect(rows).toEqual([
        { seq: 5, stream_id: streamId, first_stream_id: null },
        { seq: 6, stream_id: streamId, first_stream_id: streamId },
        { seq: 7, stream_id: streamId, first_stream_id: null },
        { seq: 8, stream_id: old, first_stream_id: streamId },
        { seq: 9, stream_id: old, first_stream_id: null },
      ]);
    },
  );

  it('may diverge more than once, and further back than before', async () => {
    const first = await diverged(20, 10, 25);
    const second = (await now()).incarnation;
    await store(second.streamId, range(11, 25));
    published(3, 6, 30);
    const third = (await now()).incarnation;
    await store(third.streamId, range(6, 30));
    expect(third.segments).toEqual([
      { streamId: first.streamId, after: 0, upTo: 5 },
      { streamId: third.streamId, after: 5, upTo: Number.MAX_SAFE_INTEGER },
    ]);
    published(4, 28, 29);
    stream.delete(30);
    const fourth = (await now()).incarnation;
    expect(fourth.segments.map(({ streamId, after }) => [streamId, after])).toEqual([
      [first.streamId, 0],
      [third.streamId, 5],
      [fourth.streamId, 27],
    ]);
  });

  it('is read by a reader who follows the events without repeating or missing any', async () => {
    await diverged(10, 7, 12);
    const noFloor = (): Promise<number> => Promise.resolve(0);
    const before = await eventPage(system.pool, {}, FIRST_POSITION, 9, noFloor);
    const { streamId } = (await now()).incarnation;
    await store(streamId, range(8, 12));
    const rest = await eventPage(system.pool, {}, before.next ?? FIRST_POSITION, 100, noFloor);
    const more = await eventPage(system.pool, {}, rest.next ?? FIRST_POSITION, 100, noFloor);
    expect(
      [...before.events, ...rest.events, ...more.events].map(({ streamId: id, seq }) => `${id}:${seq}`),
    ).toEqual([...range(1, 10).map((seq) => `1:${seq}`), ...range(8, 12).map((seq) => `${streamId}:${seq}`)]);
  });
});

describe('the rows of a further consumer for lost messages', () => {
  it('are kept under another number, and their later duplicates follow them', async () => {
    await createInbox(worker, 'totals');
    const tables = storeInboxTables('totals');
    const { streamId } = await SEKALI_LEDGER.registry.of(worker, KEY);
    await system.pool.query(
      `INSERT INTO ${tables.key} (topic, event_id, stream_id, seq, digest)
       SELECT 't', 'e-' || seq, $1, seq, 0 FROM unnest(ARRAY[4, 5, 6]) AS seq`,
      [streamId],
    );
    await system.pool.query(
      `INSERT INTO ${tables.duplicate} (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES ($1, 7, 't', 'e-5', $1, 5, false, now())`,
      [streamId],
    );
    await setForeignAside(worker, KEY.name, 'totals', { streamId, seqs: [5] });
    const { rows } = await system.pool.query<{ seq: number; aside: boolean; first: boolean | null }>(
      `SELECT seq::int, stream_id <> $1 AS aside, NULL AS first FROM ${tables.key}
       UNION ALL SELECT seq::int, stream_id <> $1, first_stream_id <> $1 FROM ${tables.duplicate} ORDER BY seq`,
      [streamId],
    );
    expect(rows).toEqual([
      { seq: 4, aside: false, first: null },
      { seq: 5, aside: true, first: null },
      { seq: 6, aside: false, first: null },
      { seq: 7, aside: false, first: true },
    ]);
  });
});

describe('the start of a consumer', () => {
  const at = (seq: number, lastSeq = 12): Parameters<typeof consumerStart>[3] => ({
    deliveredSeq: seq,
    ackFloorSeq: seq,
    stream: { firstSeq: 1, lastSeq },
  });
  const startOf = async (inbox: string, seq: number): Promise<number | undefined> =>
    (await consumerStart(worker, await SEKALI_LEDGER.registry.of(worker, KEY), inbox, at(seq), witness))?.seq;

  it('is the beginning of a new incarnation, once', async () => {
    await diverged(10, 7, 12);
    const { incarnation } = await now();
    expect(await startOf('store', 10)).toBe(8);
    await noteConsumerStart(worker, incarnation, 'store', 8);
    expect(await startOf('store', 7)).toBeUndefined();
  });

  it('is the first message that it acknowledged, the database lacks and the stream has', async () => {
    published(1, 1, 12);
    const { streamId } = await SEKALI_LEDGER.registry.of(worker, KEY);
    await store(streamId, [1, 2, 3, 4, 6, 7, 8]);
    expect(await startOf('store', 4)).toBeUndefined();
    expect(await startOf('store', 8)).toBe(5);
    stream.delete(5);
    expect(await startOf('store', 8)).toBeUndefined();
  });

  it('is the end of the database for a consumer that is ahead of the stream', async () => {
    published(1, 1, 12);
    const { streamId } = await SEKALI_LEDGER.registry.of(worker, KEY);
    await store(streamId, range(1, 12));
    expect(await startOf('store', 13)).toBe(13);
  });

  it('is the end of its own inbox for a further consumer', async () => {
    await createInbox(worker, 'totals');
    const old = await diverged(10, 7, 12);
    await system.pool.query(
      `INSERT INTO sekali.totals_key SELECT topic, event_id, stream_id, seq, digest FROM sekali.event_key WHERE seq < 6`,
    );
    const { streamId } = (await now()).incarnation;
    expect(await startOf('totals', 10)).toBe(6);
    expect(streamId).not.toBe(old.streamId);
  });
});
