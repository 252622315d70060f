/** The inbox against a model: every sequence ends once, however deliveries are repeated and batched. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import pg from 'pg';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import type { Delivery, Message } from '../delivery.js';
import type { Outcome } from '../outcome.js';
import { createInbox } from './create-inbox.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import { Inbox } from './inbox.js';
import type { InboxTables } from './inbox-tables.js';

let system: TestSystem;
let tables: InboxTables;
let streams = 0;

beforeAll(async () => {
  system = await createTestSystem();
  await system.pool.query('CREATE TABLE applied (stream_id int, seq bigint)');
});

afterAll(async () => {
  await system.dispose();
});

/** An inbox whose effect leaves a row. No constraint protects the row, so a repeated effect shows. */
function makeInbox(
  pool = system.pool,
  hold: (seqs: readonly number[]) => Promise<void> = () => Promise.resolve(),
): Inbox<string> {
  return new Inbox(pool, tables, {
    apply: async (fresh, transaction) => {
      const seqs = fresh.map(({ delivery }) => delivery.seq);
      await transaction.query('INSERT INTO applied SELECT $1, unnest($2::bigint[])', [
        transaction.streamId,
        seqs,
      ]);
      await hold(seqs);
    },
  });
}

/** Has an inbox decide on a message whose id another transaction claims at the same moment, and gets. */
async function loseRace(inbox: Inbox<string>, streamId: number, seq: number): Promise<Outcome | undefined> {
  const id = `${streamId}-race-${seq}`;
  const other = await system.pool.connect();
  await other.query('BEGIN');
  await other.query(
    `INSERT INTO ${tables.key} (topic, event_id, stream_id, seq, digest${tables.keyIsDated === true ? ', published_at' : ''})
     VALUES ('t', $1, $2, $3, 0${tables.keyIsDated === true ? ', now()' : ''})`,
    [id, streamId, 1_000 + seq],
  );
  const deciding = inbox.process(streamId, { messages: [message(seq, id)], poison: [] });
  await waitFor(isTransactionWaiting, {
    timeoutMs: 10_000,
    describe: 'the inbox to wait for the other claim',
  });
  await other.query('COMMIT');
  other.release();
  return (await deciding).get(seq);
}

function delivery(seq: number, deliveryCount = 1): Delivery {
  const nothing = (): undefined => undefined;
  return {
    seq,
    subject: 'events.t',
    data: new Uint8Array(),
    header: nothing,
    headersText: nothing,
    headerBytes: nothing,
    deliveryCount,
    publishedAt: new Date(0),
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}

function message(seq: number, eventId: string, content = 0): Message<string> {
  return { delivery: delivery(seq), topic: 't', eventId, digest: BigInt(content), event: '' };
}

interface Figures {
  readonly ledger: number;
  readonly sequences: number;
  readonly stored: number;
  readonly conflicts: number;
  readonly applied: number;
  readonly counted: number;
  readonly countedConflicts: number;
}

async function figures(streamId: number): Promise<Figures> {
  const { rows } = await system.pool.query<Record<keyof Figures, number>>(
    `WITH ledger AS (
       SELECT seq, true AS stored, false AS conflict FROM ${tables.key} WHERE stream_id = $1
       UNION ALL SELECT seq, false, conflict FROM ${tables.duplicate} WHERE stream_id = $1
       UNION ALL SELECT seq, false, false FROM ${tables.deadLetter} WHERE stream_id = $1)
     SELECT count(*)::int AS ledger, count(DISTINCT seq)::int AS sequences,
       count(*) FILTER (WHERE stored)::int AS stored, count(*) FILTER (WHERE conflict)::int AS conflicts,
       (SELECT count(*)::int FROM applied WHERE stream_id = $1) AS applied,
       (SELECT coalesce(sum(stored + duplicates + dead_letters), 0)::int FROM ${tables.counter} WHERE stream_id = $1) AS counted,
       (SELECT coalesce(sum(conflicts), 0)::int FROM ${tables.counter} WHERE stream_id = $1) AS "countedConflicts"
     FROM ledger`,
    [streamId],
  );
  const [row] = rows;
  if (!row) throw new Error('no figures');
  return row;
}

async function isTransactionWaiting(): Promise<boolean> {
  const { rows } = await system.pool.query(
    `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
  );
  return rows.length > 0;
}

/** The library's own tables, or those of a program that had them before. */
async function tablesOf(areDated: boolean): Promise<InboxTables> {
  const own = await createInbox(system.pool, { consumer: `dated-${areDated}` });
  if (areDated) return own;
  await system.pool.query(`ALTER TABLE ${own.key} DROP COLUMN published_at`);
  return { ...own, keyIsDated: false };
}

describe.each([true, false])('the inbox (keys are dated: %s)', (areDated) => {
  beforeAll(async () => {
    tables = await tablesOf(areDated);
  });

  it('ends every sequence once, however deliveries are repeated, batched and spread over workers', async () => {
    const sends = fc.array(
      fc.record({ id: fc.integer({ min: 0, max: 9 }), content: fc.integer({ min: 0, max: 1 }) }),
      {
        minLength: 1,
        maxLength: 40,
      },
    );
    const batches = fc.array(fc.array(fc.nat({ max: 39 }), { minLength: 1, maxLength: 12 }), {
      minLength: 1,
      maxLength: 16,
    });
    await fc.assert(
      fc.asyncProperty(sends, batches, async (sent, orders) => {
        // New inboxes, because a race changes the claim strategy for a while.
        const [first, second] = [makeInbox(), makeInbox()];
        const streamId = ++streams + 1_000;
        const messages = sent.map(({ id, content }, index) =>
          message(index + 1, `${streamId}-${id}`, content),
        );
        const delivered = [...orders, messages.map((_, index) => index)].map((order) => [
          ...new Map(order.flatMap((index) => (messages[index] ? [[index, messages[index]]] : []))).values(),
        ]);
        for (let at = 0; at < delivered.length; at += 2) {
          await Promise.all([
            first.process(streamId, { messages: delivered[at] ?? [], poison: [] }),
            second.process(streamId, { messages: delivered[at + 1] ?? [], poison: [] }),
          ]);
        }
        const found = await figures(streamId);
        const ids = new Set(sent.map(({ id }) => id)).size;
        const total = sent.length;
        expect(found).toMatchObject({
          ledger: total,
          sequences: total,
          counted: total,
          stored: ids,
          applied: ids,
        });
        expect(found.countedConflicts).toBe(found.conflicts);
      }),
      { numRuns: 60 },
    );
  });

  it('ends a sequence once when one worker stores it while another gives it up', async () => {
    const inbox = makeInbox();
    const streamId = ++streams + 1_000;
    const rounds = 60;
    for (let seq = 1; seq <= rounds; seq++) {
      const poison = [{ delivery: delivery(seq), topic: 't', reason: 'effect_failed', detail: '' }];
      const stores = (): Promise<unknown> =>
        inbox.process(streamId, { messages: [message(seq, `${streamId}-${seq}`)], poison: [] });
      const buries = (): Promise<unknown> => inbox.process(streamId, { messages: [], poison });
      await Promise.all(seq % 2 === 0 ? [stores(), buries()] : [buries(), stores()]);
    }
    expect(await figures(streamId)).toMatchObject({ ledger: rounds, sequences: rounds, counted: rounds });
  });

  it('gives a message up while other batches are open, and waits only for its neighbours', async () => {
    const streamId = ++streams;
    let release = (): void => undefined;
    const released = new Promise<void>((resolve) => (release = resolve));
    let isHeld = false;
    const holding = makeInbox(system.pool, () => {
      isHeld = true;
      return released;
    });
    const storing = holding.process(streamId, { messages: [message(1, `${streamId}-held`)], poison: [] });
    await waitFor(() => isHeld, { timeoutMs: 10_000, describe: 'a batch to be held' });
    const giveUp = (seq: number): Promise<Map<number, Outcome>> =>
      makeInbox().process(streamId, {
        messages: [],
        poison: [{ delivery: delivery(seq), topic: 't', reason: 'not_json', detail: '' }],
      });
    expect((await giveUp(5_000)).get(5_000)).toMatchObject({ kind: 'dead-letter' });
    const same = giveUp(1);
    await waitFor(isTransactionWaiting, {
      timeoutMs: 10_000,
      describe: 'the same sequence to be waited for',
    });
    // No other batch queues behind that.
    const other = makeInbox().process(streamId, {
      messages: [message(9_000, `${streamId}-other`)],
      poison: [],
    });
    expect((await other).get(9_000)).toEqual({ kind: 'stored' });
    release();
    await storing;
    expect((await same).get(1)).toEqual({ kind: 'already-processed' });
    expect(await figures(streamId)).toMatchObject({ ledger: 3, sequences: 3, counted: 3 });
  });

  it('stores the repeat of a message that had been given up, with every claim strategy', async () => {
    for (const strategy of ['plain', 'lookup', 'defer', 'wait'] as const) {
      const inbox = makeInbox();
      // Each strategy before this one was refused.
      for (const before of ['plain', 'lookup', 'defer'] as const) {
        if (before === strategy) break;
        inbox['strategies'].wasRefused(before);
      }
      const streamId = ++streams + 1_000;
      const given = { delivery: delivery(1), topic: 't', reason: 'effect_failed', detail: '' };
      await inbox.process(streamId, { messages: [], poison: [given] });
      const messages = [
        message(1, `${streamId}-a`),
        message(2, `${streamId}-a`),
        message(3, `${streamId}-b`),
      ];
      const outcomes = await inbox.process(streamId, { messages, poison: [] });
      expect([...outcomes].sort()).toEqual([
        [1, { kind: 'already-processed' }],
        [2, { kind: 'stored' }],
        [3, { kind: 'stored' }],
      ]);
      expect(await figures(streamId)).toMatchObject({
        ledger: 3,
        sequences: 3,
        stored: 2,
        applied: 2,
        counted: 3,
      });
    }
  });

  it('answers a repeated batch with already-processed, and changes nothing', async () => {
    const inbox = makeInbox();
    const streamId = ++streams + 1_000;
    const batch = {
      messages: [message(1, `${streamId}-a`), message(2, `${streamId}-a`, 1), message(3, `${streamId}-b`)],
      poison: [{ delivery: delivery(4), topic: 't', reason: 'not_json', detail: 'with \u0000 and \ud800' }],
    };
    const outcomes = await inbox.process(streamId, batch);
    expect([...outcomes.entries()].sort()).toEqual([
      [1, { kind: 'stored' }],
      [2, { kind: 'duplicate', conflict: true }],
      [3, { kind: 'stored' }],
      [4, { kind: 'dead-letter', reason: 'not_json' }],
    ]);
    const before = await figures(streamId);
    const again = await inbox.process(streamId, batch);
    expect([...again.values()].map(({ kind }) => kind)).toEqual([
      'already-processed',
      'already-processed',
      'already-processed',
      'already-processed',
    ]);
    expect(await figures(streamId)).toEqual(before);
  });

  it('decides a batch twice when it lost a race for an id, until its strategy waits for other claims', async () => {
    const pool = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
    let transactions = 0;
    pool.on('acquire', () => transactions++);
    const inbox = makeInbox(pool);
    const streamId = ++streams + 1_000;
    const counts: number[] = [];
    for (let seq = 1; seq <= 4; seq++) {
      transactions = 0;
      expect(await loseRace(inbox, streamId, seq)).toEqual({ kind: 'duplicate', conflict: false });
      counts.push(transactions);
    }
    await pool.end();
    expect(counts).toEqual([2, 2, 2, 1]);
  });

  it('postpones ids that another of its batches is deciding on, and does not wait for that batch', async () => {
    let goOn = (): void => undefined;
    const held = new Promise<void>((resolve) => (goOn = resolve));
    const holdsAt = 100;
    const inbox = makeInbox(system.pool, (seqs) => (seqs.includes(holdsAt) ? held : Promise.resolve()));
    const streamId = ++streams + 1_000;
    for (const seq of [1, 2]) await loseRace(inbox, streamId, seq);
    const of = (seq: number, id: string): Message<string> => message(seq, `${streamId}-${id}`);
    const batch = { messages: [of(holdsAt, 'a'), of(101, 'b')], poison: [] };
    const first = inbox.process(streamId, batch);
    const second = await inbox.process(streamId, {
      messages: [of(102, 'a'), of(103, 'c'), of(104, 'd')],
      poison: [],
    });
    expect(second).toEqual(
      new Map([
        [103, { kind: 'stored' }],
        [104, { kind: 'stored' }],
        [102, { kind: 'postponed' }],
      ]),
    );
    goOn();
    await first;
    // The races left two keys of other transactions, which were not counted, and two repeats.
    expect(await figures(streamId)).toMatchObject({ ledger: 8, sequences: 8, counted: 6, stored: 6 });
    const later = await inbox.process(streamId, { messages: [of(102, 'a')], poison: [] });
    expect(later).toEqual(new Map([[102, { kind: 'duplicate', conflict: false }]]));
    expect(await figures(streamId)).toMatchObject({ ledger: 9, sequences: 9, counted: 7, stored: 6 });
  });

  it('distinguishes a unique constraint of the effect from a refused claim', async () => {
    const pool = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
    await pool.query('CREATE TABLE IF NOT EXISTS only_once (seq bigint PRIMARY KEY)');
    let transactions = 0;
    pool.on('acquire', () => transactions++);
    const inbox = new Inbox<string>(pool, tables, {
      apply: async (_, transaction) => {
        await transaction.query('INSERT INTO only_once VALUES (1), (1)');
      },
    });
    const streamId = ++streams + 1_000;
    const refused = inbox.process(streamId, { messages: [message(1, `${streamId}-a`)], poison: [] });
    await expect(refused).rejects.toMatchObject({ name: 'HandlerError', cause: { table: 'only_once' } });
    await pool.end();
    expect(transactions).toBe(1);
  });

  it('refuses a sequence that it knows as another message', async () => {
    const inbox = makeInbox();
    const streamId = ++streams + 1_000;
    await inbox.process(streamId, { messages: [message(1, `${streamId}-a`)], poison: [] });
    const other = message(1, `${streamId}-z`);
    const messages = [{ ...other, delivery: { ...other.delivery, publishedAt: new Date(1) } }];
    await expect(inbox.process(streamId, { messages, poison: [] })).rejects.toThrow(ForeignSequenceError);
  });

  it('recognizes a message whose id is read differently, by its sequence and its publishing time', async () => {
    const inbox = makeInbox();
    const streamId = ++streams + 1_000;
    await inbox.process(streamId, { messages: [message(1, `${streamId}-a`)], poison: [] });
    const deciding = inbox.process(streamId, { messages: [message(1, `${streamId}-z`)], poison: [] });
    const said = await deciding.then(
      (outcomes) => outcomes.get(1)?.kind,
      (error: unknown) => (error as Error).name,
    );
    // Without the date of the key, it might be another message.
    expect(said).toBe(areDated ? 'already-processed' : 'ForeignSequenceError');
  });
});
