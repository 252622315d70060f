/** What an inbox finds out about its stream before a session, and where it puts its consumer. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Pool, PoolClient } from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import type { Delivery, Message } from '../delivery.js';
import type { ConsumerState, StreamState } from '../delivery-source.js';
import type { Coverage, ForeignSequences, StreamIncarnation } from '../stream-history.js';
import { createInbox } from './create-inbox.js';
import type { DifferingHistory } from './divergence.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import type { StreamSearch } from './history-comparison.js';
import { Inbox } from './inbox.js';
import { InboxHistory } from './inbox-history.js';
import type { InboxTables } from './inbox-tables.js';

const EPOCH_MS = Date.parse('2026-11-22T10:00:00Z');
/** The end of the newest segment. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

let system: TestSystem;
let tables: InboxTables;
let inbox: Inbox<string>;
/** The stream: its identity, and the publishing time of the message under each sequence. */
let identity: string;
let stream: Map<number, number>;
let consumers = 0;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  await system.pool.query('DROP SCHEMA sekali CASCADE');
  // No constraint protects this table, so a repeated effect shows.
  await system.pool.query('CREATE TABLE applied (id text NOT NULL)');
});
afterAll(async () => {
  await system.dispose();
});
beforeEach(async () => {
  tables = await createInbox(system.pool, { consumer: `c${++consumers}` });
  await system.pool.query('TRUNCATE applied');
  inbox = new Inbox(system.pool, tables, {
    apply: async (fresh, transaction) => {
      const ids = fresh.map(({ eventId }) => eventId);
      await transaction.query('INSERT INTO applied SELECT unnest($1::text[])', [ids]);
    },
  });
  identity = 'x';
  stream = new Map();
});

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, n) => from + n);

const firstSeq = (): number => Math.min(...stream.keys());
const lastSeq = (): number => Math.max(0, ...stream.keys());

/** A subject that few messages have. */
const FEW = 's.few';
const ODD_ONES = [1, 2, 5, 9, 30];

const witness: StreamSearch = {
  bounds: () => Promise.resolve({ firstSeq: firstSeq(), lastSeq: lastSeq() }),
  publishedAt: (seqs) => Promise.resolve(new Map([...stream].filter(([seq]) => seqs.includes(seq)))),
  nextAt: (from, subject) => {
    const matching = [...stream.keys()].filter((seq) => subject !== FEW || ODD_ONES.includes(seq));
    const seq = Math.min(...matching.filter((one) => one >= from));
    const publishedMs = stream.get(seq);
    return Promise.resolve(publishedMs === undefined ? undefined : { seq, publishedMs });
  },
};

/** Publishes messages of one history. Those of another history have other publishing times. */
function published(history: number, from: number, to: number): void {
  for (const seq of range(from, to)) stream.set(seq, EPOCH_MS + history * 60_000 + seq);
}

function streamState(): StreamState {
  return {
    ...{ name: 'S', identity, firstSeq: firstSeq(), lastSeq: lastSeq() },
    ...{ subjects: [], metadata: {}, leader: undefined },
  };
}

/** A consumer that has acknowledged everything up to a sequence. */
function standingAt(seq: number, changes: Partial<ConsumerState> = {}): ConsumerState {
  return {
    ...{ stream: streamState(), created: '', pending: 0, ackPending: 0, ackFloorSeq: seq, deliveredSeq: seq },
    ...{ deliveryCount: seq, ackWaitMs: 1_000, leader: undefined, ...changes },
  };
}

interface Found {
  readonly incarnation: StreamIncarnation;
  readonly start: number | undefined;
  readonly differing: DifferingHistory | undefined;
}

/** Does what a session does before it begins. */
async function begin(
  seq: number,
  changes: Partial<ConsumerState> & Partial<Coverage> & { foreign?: ForeignSequences } = {},
): Promise<Found> {
  const { foreign, leavesGaps = false, subjects = [], ...seen } = changes;
  let differing: DifferingHistory | undefined;
  const onDiffering = (found: DifferingHistory): void => void (differing = found);
  const history = new InboxHistory({
    ...{ pool: system.pool, tables, witness, leavesGaps, subjects, onDiffering },
  });
  const incarnation = await history.incarnation(streamState(), foreign);
  const start = (await history.startOf(incarnation, standingAt(seq, seen)))?.seq;
  if (start !== undefined) await history.started(incarnation);
  return { incarnation, start, differing };
}

function delivery(seq: number): Delivery {
  const nothing = (): undefined => undefined;
  return {
    ...{ seq, subject: 's.t', data: new Uint8Array(), deliveryCount: 1 },
    publishedAt: new Date(stream.get(seq) ?? NaN),
    ...{
      header: nothing,
      headersText: nothing,
      headerBytes: nothing,
      ack: nothing,
      nak: nothing,
      term: nothing,
      working: nothing,
    },
  };
}

/**
 * Processes the current messages of some sequences. Each message has an id of its own, whatever its sequence.
 */
async function process({ streamId }: StreamIncarnation, seqs: readonly number[]): Promise<string[]> {
  const messages = seqs.map((seq): Message<string> => {
    const eventId = String((stream.get(seq) ?? NaN) - EPOCH_MS);
    return { delivery: delivery(seq), topic: 't', eventId, digest: 0n, event: '' };
  });
  const outcomes = await inbox.process(streamId, { messages, poison: [] });
  return seqs.map((seq) => outcomes.get(seq)?.kind ?? '');
}

/** Returns how many effects there are, and checks that none occurs twice. */
async function applied(): Promise<number> {
  const { rows } = await system.pool.query<{ all: number; different: number }>(
    'SELECT count(*)::int AS all, count(DISTINCT id)::int AS different FROM applied',
  );
  expect(rows[0]?.different).toBe(rows[0]?.all);
  return rows[0]?.all ?? NaN;
}

describe('the first consumer of an inbox', () => {
  it('continues at its position: messages that it acknowledged before have had their effect', async () => {
    published(1, 1, 100);
    const { start, incarnation } = await begin(60);
    expect(start).toBeUndefined();
    expect(incarnation.segments).toEqual([{ streamId: incarnation.streamId, after: 0, upTo: ENDLESS }]);
    await process(incarnation, range(61, 70));
    expect(await begin(70)).toMatchObject({ start: undefined, incarnation });
    // A new consumer begins behind all of that.
    const history = new InboxHistory({ pool: system.pool, tables, witness });
    expect(await history.beginning(streamState())).toBe(71);
  });

  it('begins with the oldest message when it must be created', async () => {
    published(1, 41, 50);
    const history = new InboxHistory({ pool: system.pool, tables, witness });
    expect(await history.beginning(streamState())).toBe(41);
  });
});

describe('a stream that lost its newest messages', () => {
  it.each([
    [10, 7, 10],
    [10, 7, 7],
    [1_000, 312, 1_200],
    [50, 0, 50],
  ])(
    '(of %d messages %d remain, and the stream ends at %d) is read again behind the common ones',
    async (known, common, last) => {
      published(1, 1, known);
      const old = (await begin(0)).incarnation;
      await process(old, range(1, known));
      for (const seq of range(common + 1, known)) stream.delete(seq);
      published(2, common + 1, last);
      const { incarnation, start, differing } = await begin(known);
      expect(differing).toMatchObject({ commonSeq: common, knownSeq: known, lastSeq: last });
      expect(incarnation.segments.at(-1)).toEqual({
        streamId: incarnation.streamId,
        after: common,
        upTo: ENDLESS,
      });
      expect(start).toBe(common + 1);
      expect(new Set(await process(incarnation, range(common + 1, last)))).toEqual(
        new Set(last > common ? ['stored'] : []),
      );
      expect(await applied()).toBe(known + last - common);
      expect(await begin(last)).toMatchObject({ start: undefined, incarnation });
      // A late batch of the old incarnation is refused.
      await expect(process(old, [common + 1])).rejects.toThrow(ForeignSequenceError);
    },
  );

  it('is registered once, however many processes notice it at once', async () => {
    published(1, 1, 20);
    await process((await begin(0)).incarnation, range(1, 20));
    published(2, 15, 25);
    const found = await Promise.all([begin(20), begin(20), begin(20)]);
    expect(new Set(found.map(({ incarnation }) => incarnation.streamId)).size).toBe(1);
  });

  it('keeps rows that were stored ahead of a gap, and no effect happens twice', async () => {
    published(1, 1, 12);
    await process((await begin(0)).incarnation, [1, 2, 3, 6, 7, 9, 10]);
    for (const seq of range(10, 12)) stream.delete(seq);
    published(2, 10, 14);
    const { incarnation, start } = await begin(3);
    expect(start).toBe(4);
    expect(await process(incarnation, range(4, 14))).toEqual([
      ...['stored', 'stored', 'already-processed', 'already-processed', 'stored', 'already-processed'],
      ...['stored', 'stored', 'stored', 'stored', 'stored'],
    ]);
    expect(await applied()).toBe(7 + 8);
  });

  it('is noticed by a sequence that means another message, when no sample of the comparison shows it', async () => {
    published(1, 1, 400);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 400));
    // Three messages among many, at none of the distances that are compared.
    for (const seq of [150, 151, 152]) stream.set(seq, EPOCH_MS + 9 * 60_000 + seq);
    expect((await begin(400)).incarnation).toEqual(incarnation);
    const refused: unknown = await process(incarnation, [151]).catch((error: unknown) => error);
    expect(refused).toMatchObject({ name: 'ForeignSequenceError', seqs: [151], isProof: true });
    const foreign = { streamId: incarnation.streamId, seqs: [151] };
    const { start, differing } = await begin(400, { foreign });
    expect(differing).toMatchObject({ commonSeq: 149, differsAt: 151 });
    expect(start).toBe(150);
  });
});

describe('a message of another history with the id and the sequence of one that took effect', () => {
  it('is distinguished from it by its publishing time', async () => {
    published(1, 1, 3);
    const { incarnation } = await begin(0);
    await process(incarnation, [1, 2, 3]);
    const [id, later] = [String((stream.get(2) ?? NaN) - EPOCH_MS), (stream.get(2) ?? NaN) + 5_000];
    stream.set(2, later);
    const messages = [{ delivery: delivery(2), topic: 't', eventId: id, digest: 0n, event: '' }];
    await expect(inbox.process(incarnation.streamId, { messages, poison: [] })).rejects.toThrow(
      ForeignSequenceError,
    );
  });
});

describe('a stream under another identity', () => {
  it('is the same stream when its messages are the same: a lone broker may change the time of creation', async () => {
    published(1, 1, 20);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 20));
    identity = 'y';
    expect(await begin(20)).toMatchObject({ start: undefined, incarnation });
    expect(await process(incarnation, [20])).toEqual(['already-processed']);
  });

  it('is another stream when its messages differ: all of it is read, whatever the consumer has acknowledged', async () => {
    published(1, 1, 20);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 20));
    [identity, stream] = ['y', new Map<number, number>()];
    published(2, 1, 30);
    const found = await begin(20);
    expect(found.incarnation.streamId).not.toBe(incarnation.streamId);
    expect(found.start).toBe(1);
    expect(new Set(await process(found.incarnation, range(1, 30)))).toEqual(new Set(['stored']));
  });
});

describe('a consumer with a wrong position', () => {
  it('is reset when it is ahead of the stream', async () => {
    published(1, 1, 20);
    await process((await begin(0)).incarnation, range(1, 15));
    expect((await begin(0, { deliveredSeq: 30 })).start).toBe(16);
  });

  it('is reset to acknowledged messages that the database lost, as after the restore of a backup', async () => {
    published(1, 1, 30);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 30));
    await system.pool.query(`DELETE FROM ${tables.key} WHERE seq IN (18, 25)`);
    expect((await begin(30)).start).toBe(18);
    // The effects of the lost rows are lost as well.
    await system.pool.query(`DELETE FROM applied WHERE id IN ('60018', '60025')`);
    await process(incarnation, range(18, 30));
    expect(await applied()).toBe(30);
    expect((await begin(30)).start).toBeUndefined();
  });

  it('is reset to a loss of any size, of which no more than a bounded part is counted', async () => {
    published(1, 1, 30);
    published(1, 5_000_000, 5_000_000);
    const { incarnation } = await begin(0);
    await process(incarnation, [...range(1, 10), 21]);
    const history = new InboxHistory({ pool: system.pool, tables, witness });
    await history.incarnation(streamState());
    expect(await history.startOf(incarnation, standingAt(5_000_000))).toMatchObject({
      seq: 11,
      loss: { firstSeq: 11, lastSeq: 5_000_000, missing: 999_999 },
    });
  });

  it('is reset behind messages that were deleted before it had them', async () => {
    published(1, 1, 30);
    for (const seq of [4, 5, 12]) stream.delete(seq);
    const { incarnation } = await begin(0);
    await process(incarnation, [...stream.keys()]);
    expect((await begin(30)).start).toBeUndefined();
    await goBackTo(10, 13);
    expect((await begin(30)).start).toBe(13);
    await goBackTo(11, 20);
    expect((await begin(30)).start).toBe(13);
  });

  it.each([
    ['by a filter', { isFiltered: true, filters: [FEW] }],
    ['unread', { leavesGaps: true, subjects: [FEW] }],
  ])('is reset only to messages that it is for, when it leaves others out %s', async (_, coverage) => {
    published(1, 1, 30);
    const { incarnation } = await begin(0, coverage);
    await process(incarnation, ODD_ONES);
    expect((await begin(30, coverage)).start).toBeUndefined();
    await goBackTo(5, 9);
    expect((await begin(30, coverage)).start).toBe(9);
    await process(incarnation, [9, 30]);
    expect((await begin(30, coverage)).start).toBeUndefined();
  });

  it('is reset although the database goes back between two statements of the search', async () => {
    published(1, 1, 30);
    await process((await begin(0)).incarnation, range(1, 30));
    let isBack = false;
    const pool = Object.create(system.pool) as Pool;
    pool.query = (async (text: string, values: unknown[]) => {
      const result = await system.pool.query(text, values);
      if (!isBack && text.includes('row_number')) {
        isBack = true;
        await goBackTo(0, 21);
      }
      return result;
    }) as unknown as Pool['query'];
    const history = new InboxHistory({ pool, tables, witness });
    const incarnation = await history.incarnation(streamState());
    expect(await history.startOf(incarnation, standingAt(30))).toBeUndefined();
    expect(isBack).toBe(true);
    expect((await begin(30)).start).toBe(21);
  });

  it('is reset to what a process with an open session finds lost on a connection to another server', async () => {
    const options = { pool: system.pool, tables, witness, leavesGaps: true, subjects: [FEW] };
    published(1, 1, 30);
    const history = new InboxHistory(options);
    const clients = await Promise.all([system.pool.connect(), system.pool.connect()]);
    for (const client of clients) client.release();
    const heard = jest.fn();
    const end = history.onNewConnection(heard);
    let connections = 0;
    const connected = async (client: PoolClient): Promise<void> => {
      system.pool.emit('connect', client);
      connections++;
      await waitFor(() => Promise.resolve(heard.mock.calls.length === connections), {
        timeoutMs: 10_000,
        describe: 'the server of the connection',
      });
    };
    await connected(clients[0]);
    const incarnation = await history.incarnation(streamState());
    await history.startOf(incarnation, standingAt(0));
    await process(incarnation, ODD_ONES);
    await goBackTo(5, 9);
    // Without a new connection, the store is the same as before.
    expect(await history.startOf(incarnation, standingAt(30))).toBeUndefined();
    // So it is on another connection to the same server: a pool replaces them all the time.
    await connected(clients[1]);
    expect(await history.startOf(incarnation, standingAt(30))).toBeUndefined();
    const elsewhere = Object.create(clients[0]) as PoolClient;
    elsewhere.query = (() =>
      Promise.resolve({ rows: [{ server: 'another' }] })) as unknown as PoolClient['query'];
    await connected(elsewhere);
    expect(await history.startOf(incarnation, standingAt(30))).toMatchObject({
      seq: 9,
      loss: { firstSeq: 9, lastSeq: 30, missing: 2, publishedAt: new Date(stream.get(9) ?? NaN) },
    });
    end();
  });
});

/** Has the inbox lack everything from a sequence on, as a store that went back in time does. */
async function goBackTo(settled: number, firstLost: number): Promise<void> {
  await system.pool.query(`DELETE FROM ${tables.key} WHERE seq >= $1`, [firstLost]);
  await system.pool.query(`DELETE FROM applied WHERE id::integer >= $1`, [60_000 + firstLost]);
  await system.pool.query(`UPDATE ${tables.stream} SET settled_seq = LEAST(settled_seq, $1)`, [settled]);
}
