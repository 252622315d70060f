/** What an inbox of its own finds out about its stream before a session, and where it puts its consumer. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { createTestSystem, type TestSystem } from '#testing';
import type { Delivery, Message } from '../delivery.js';
import type { ConsumerSight, StreamSight } from '../jetstream/durable-consumer.js';
import type { ForeignSequences, StreamIncarnation } from '../stream-history.js';
import { createInbox } from './create-inbox.js';
import type { DifferingHistory } from './divergence.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import type { StreamWitness } from './history-comparison.js';
import { Inbox } from './inbox.js';
import { InboxHistory } from './inbox-history.js';
import type { InboxTables } from './inbox-tables.js';

const EPOCH_MS = Date.parse('2026-11-22T10:00:00Z');
/** From the beginning, without end. */
const ENDLESS = Number.MAX_SAFE_INTEGER;

let system: TestSystem;
let tables: InboxTables;
let inbox: Inbox<string>;
/** The stream: its identity, and when the message under each sequence was published. */
let identity: string;
let stream: Map<number, number>;
let consumers = 0;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  await system.pool.query('DROP SCHEMA sekali CASCADE');
  // No constraint protects it: applied twice, an id is there twice.
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

const witness: StreamWitness = {
  bounds: () => Promise.resolve({ firstSeq: firstSeq(), lastSeq: lastSeq() }),
  publishedAt: (seqs) => Promise.resolve(new Map([...stream].filter(([seq]) => seqs.includes(seq)))),
};

/** Messages of one history: those of another are published at other moments. */
function published(history: number, from: number, to: number): void {
  for (const seq of range(from, to)) stream.set(seq, EPOCH_MS + history * 60_000 + seq);
}

function sight(): StreamSight {
  return {
    ...{ name: 'S', identity, firstSeq: firstSeq(), lastSeq: lastSeq() },
    ...{ subjects: [], metadata: {}, leader: undefined },
  };
}

/** A consumer that has acknowledged everything up to a sequence. */
function standingAt(seq: number, changes: Partial<ConsumerSight> = {}): ConsumerSight {
  return {
    ...{ stream: sight(), created: '', pending: 0, ackPending: 0, ackFloorSeq: seq, deliveredSeq: seq },
    ...{ deliveryCount: seq, ackWaitMs: 1_000, leader: undefined, ...changes },
  };
}

interface Found {
  readonly incarnation: StreamIncarnation;
  readonly start: number | undefined;
  readonly differing: DifferingHistory | undefined;
}

/** What a session does before it begins. */
async function begin(
  seq: number,
  changes: Partial<ConsumerSight> & { foreign?: ForeignSequences; leavesGaps?: boolean } = {},
): Promise<Found> {
  const { foreign, leavesGaps = false, ...seen } = changes;
  let differing: DifferingHistory | undefined;
  const onDiffering = (found: DifferingHistory): void => void (differing = found);
  const history = new InboxHistory({ pool: system.pool, tables, witness, leavesGaps, onDiffering });
  const incarnation = await history.incarnation(sight(), foreign);
  const start = await history.startOf(incarnation, standingAt(seq, seen));
  if (start !== undefined) await history.started(incarnation);
  return { incarnation, start, differing };
}

function delivery(seq: number): Delivery {
  const nothing = (): undefined => undefined;
  return {
    ...{ seq, subject: 's.t', data: new Uint8Array(), deliveryCount: 1 },
    publishedAt: new Date(stream.get(seq) ?? NaN),
    ...{ header: nothing, headersText: nothing, ack: nothing, nak: nothing, term: nothing, working: nothing },
  };
}

/** Processes what the stream has under some sequences now; an id for each message, whatever its sequence. */
async function process({ streamId }: StreamIncarnation, seqs: readonly number[]): Promise<string[]> {
  const messages = seqs.map((seq): Message<string> => {
    const eventId = String((stream.get(seq) ?? NaN) - EPOCH_MS);
    return { delivery: delivery(seq), topic: 't', eventId, digest: 0n, event: '' };
  });
  const outcomes = await inbox.process(streamId, { messages, poison: [] });
  return seqs.map((seq) => outcomes.get(seq)?.kind ?? '');
}

/** How many effects there are; none is there twice. */
async function applied(): Promise<number> {
  const { rows } = await system.pool.query<{ all: number; different: number }>(
    'SELECT count(*)::int AS all, count(DISTINCT id)::int AS different FROM applied',
  );
  expect(rows[0]?.different).toBe(rows[0]?.all);
  return rows[0]?.all ?? NaN;
}

describe('the first consumer that an inbox sees', () => {
  it('goes on where it stands: what it acknowledged before the inbox was there has had its effect', async () => {
    published(1, 1, 100);
    const { start, incarnation } = await begin(60);
    expect(start).toBeUndefined();
    expect(incarnation.segments).toEqual([{ streamId: incarnation.streamId, after: 0, upTo: ENDLESS }]);
    await process(incarnation, range(61, 70));
    expect(await begin(70)).toMatchObject({ start: undefined, incarnation });
    // Created again, it begins behind all of that.
    const history = new InboxHistory({ pool: system.pool, tables, witness });
    expect(await history.beginning(sight())).toBe(71);
  });

  it('begins with the oldest message where it has to be created', async () => {
    published(1, 41, 50);
    const history = new InboxHistory({ pool: system.pool, tables, witness });
    expect(await history.beginning(sight())).toBe(41);
  });
});

describe('a stream that lost its newest messages', () => {
  it.each([
    [10, 7, 10],
    [10, 7, 7],
    [1_000, 312, 1_200],
    [50, 0, 50],
  ])(
    'of %d messages %d are still there, and %d now: it is read again behind them',
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
      // A batch of before that comes late is refused.
      await expect(process(old, [common + 1])).rejects.toThrow(ForeignSequenceError);
    },
  );

  it('is registered once, however many find out at once', async () => {
    published(1, 1, 20);
    await process((await begin(0)).incarnation, range(1, 20));
    published(2, 15, 25);
    const found = await Promise.all([begin(20), begin(20), begin(20)]);
    expect(new Set(found.map(({ incarnation }) => incarnation.streamId)).size).toBe(1);
  });

  it('takes along what was processed ahead of a gap, and applies nothing twice', async () => {
    published(1, 1, 12);
    await process((await begin(0)).incarnation, [1, 2, 3, 6, 7, 9, 10]);
    for (const seq of range(10, 12)) stream.delete(seq);
    published(2, 10, 14);
    const { incarnation, start } = await begin(3);
    expect(start).toBe(4);
    expect(await process(incarnation, range(4, 14))).toEqual([
      ...['stored', 'stored', 'settled', 'settled', 'stored', 'settled'],
      ...['stored', 'stored', 'stored', 'stored', 'stored'],
    ]);
    expect(await applied()).toBe(7 + 8);
  });

  it('is found by a sequence that proved to be another message, where no sample of the comparison shows it', async () => {
    published(1, 1, 400);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 400));
    // Three messages among many, at none of the distances that are looked at.
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
  it('is distinguished from it by when it was published', async () => {
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
  it('is the same one where its messages are the same: a broker that stands alone changes the instant of creation', async () => {
    published(1, 1, 20);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 20));
    identity = 'y';
    expect(await begin(20)).toMatchObject({ start: undefined, incarnation });
    expect(await process(incarnation, [20])).toEqual(['settled']);
  });

  it('is another one where its messages are others: all of it is read, whatever the consumer says', async () => {
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

describe('a consumer that stands where it must not', () => {
  it('is put back where it is ahead of the stream', async () => {
    published(1, 1, 20);
    await process((await begin(0)).incarnation, range(1, 15));
    expect((await begin(0, { deliveredSeq: 30 })).start).toBe(16);
  });

  it('is put back to what it acknowledged and the database lost, as after the restore of a backup', async () => {
    published(1, 1, 30);
    const { incarnation } = await begin(0);
    await process(incarnation, range(1, 30));
    await system.pool.query(`DELETE FROM ${tables.key} WHERE seq IN (18, 25)`);
    expect((await begin(30)).start).toBe(18);
    // The effects of what is lost are lost as well.
    await system.pool.query(`DELETE FROM applied WHERE id IN ('60018', '60025')`);
    await process(incarnation, range(18, 30));
    expect(await applied()).toBe(30);
    expect((await begin(30)).start).toBeUndefined();
  });

  it('is left alone where it leaves messages out, whose sequences never get a row', async () => {
    published(1, 1, 30);
    const { incarnation } = await begin(0);
    await process(incarnation, [1, 2, 5, 9, 30]);
    expect((await begin(30, { isFiltered: true })).start).toBeUndefined();
    expect((await begin(30, { leavesGaps: true })).start).toBeUndefined();
  });
});
