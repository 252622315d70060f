/** Dead letters of several inboxes: pages, groups, and what became of each. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import type { DeadLetterEntry, DeadLetterState } from './dead-letter.js';
import { beginReplays, dropDeadLetters, noteReplayed } from './dead-letter-actions.js';
import {
  deadLetterGroups,
  deadLetterPage,
  type DeadLetterFilter,
  type DeadLetterPosition,
} from './dead-letter-page.js';
import { findDeadLetter } from './dead-letter-queries.js';
import { deadLetterId, readDeadLetterId } from './dead-letter-reference.js';
import { grantRights } from './grants.js';
import { createInbox, storeInboxTables } from './inbox-tables.js';
import { SEKALI_LEDGER } from './ledger.js';

const OPEN: readonly DeadLetterState[] = ['open', 'replaying'];
const EPOCH_MS = Date.parse('2026-11-22T10:00:00Z');
const OPERATOR = { keyId: '0123456789abcdef', keyName: 'ops', reason: 'the sender was mended' };

let system: TestSystem;
/** A pool with the rights of a gateway, and no others. */
let gateway: Pool;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  const urls = await createRoles(system.postgresUrl);
  await createInbox(system.pool, 'totals');
  await grantRights(system.pool);
  gateway = createPool({ url: urls.gateway, name: 'gateway', connectionsMax: 4, transactionMsMax: 30_000 });
});
beforeEach(async () => {
  await system.pool.query(
    'TRUNCATE sekali.dead_letter, sekali.totals_dead_letter, sekali.dead_letter_action, sekali.event_key',
  );
});
afterAll(async () => {
  await gateway.end();
  await system.dispose();
});

async function incarnation(identity = 'first'): Promise<number> {
  return (await SEKALI_LEDGER.registry.of(system.pool, { name: 'EVENTS', identity })).streamId;
}

interface Given {
  readonly seq: number;
  readonly topic?: string;
  readonly reason?: string;
  readonly detail?: string;
  readonly headers?: object;
  readonly minute?: number;
}

async function giveUp(streamId: number, given: readonly Given[], consumer = 'store'): Promise<void> {
  for (const { seq, topic = 'orders', reason = 'not_json', detail = 'no', headers, minute = 0 } of given)
    await system.pool.query(
      `INSERT INTO ${storeInboxTables(consumer).deadLetter}
         (stream_id, seq, topic, event_id, subject, reason, detail, headers, body, deliveries, published_at, recorded_at)
       VALUES ($1, $2, $3, $9, 'events.orders', $4, $5, $6, '\\x7b', 1, $7, now() + $8 * interval '1 minute')`,
      [
        streamId,
        seq,
        topic,
        reason,
        detail,
        headers && JSON.stringify(headers),
        new Date(EPOCH_MS + seq),
        minute,
        `e-${seq}`,
      ],
    );
}

async function pages(filter: Partial<DeadLetterFilter>, limit = 100): Promise<DeadLetterEntry[][]> {
  const found: DeadLetterEntry[][] = [];
  let after: DeadLetterPosition | undefined;
  do {
    const page = await deadLetterPage(gateway, { states: OPEN, ...filter }, after, limit);
    found.push([...page.entries]);
    after = page.next;
  } while (after !== undefined);
  return found;
}

const seqsOf = (entries: readonly DeadLetterEntry[]): string[] =>
  entries.map(({ reference: { consumer, seq }, streamId }) => `${consumer} ${streamId}/${seq}`);

async function seqs(filter: Partial<DeadLetterFilter> = {}): Promise<number[]> {
  return (await pages(filter)).flat().map(({ reference }) => reference.seq);
}

const range = (count: number): number[] => Array.from({ length: count }, (_, n) => n + 1);

describe('pages of dead letters', () => {
  it('come inbox by inbox and newest first, over incarnations, and neither skip nor repeat', async () => {
    const [first, second] = [await incarnation(), await incarnation('second')];
    await giveUp(
      first,
      range(7).map((seq) => ({ seq })),
    );
    await giveUp(
      second,
      range(3).map((seq) => ({ seq })),
    );
    await giveUp(first, [{ seq: 2 }, { seq: 9 }], 'totals');
    const all = [
      ...[3, 2, 1].map((seq) => `store ${second}/${seq}`),
      ...[7, 6, 5, 4, 3, 2, 1].map((seq) => `store ${first}/${seq}`),
      ...[9, 2].map((seq) => `totals ${first}/${seq}`),
    ];
    for (const limit of [1, 2, 3, 5, 12, 100])
      expect([limit, seqsOf((await pages({}, limit)).flat())]).toEqual([limit, all]);
    expect(seqsOf((await pages({ consumer: 'totals' }, 1)).flat())).toEqual(all.slice(10));
    expect(await seqs({ consumer: 'nobody_here' })).toEqual([]);
  });

  it('filter by topic, prefix, reason and time', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [
      { seq: 1, topic: 'a.b' },
      { seq: 2, topic: 'a.c', reason: 'invalid_event' },
      { seq: 3, topic: 'ab', minute: 10 },
      { seq: 4, topic: '(invalid)', minute: 20 },
      { seq: 5, topic: 'a', minute: 20 },
    ]);
    const inMinutes = (minutes: number): string => new Date(Date.now() + minutes * 60_000).toISOString();
    expect(await seqs({ topic: 'a.b' })).toEqual([1]);
    expect(await seqs({ topics: ['a.>'] })).toEqual([2, 1]);
    expect(await seqs({ topics: ['a.>', 'ab', 'none'] })).toEqual([3, 2, 1]);
    expect(await seqs({ topics: ['none.>'] })).toEqual([]);
    expect(await seqs({ reason: 'invalid_event' })).toEqual([2]);
    expect(await seqs({ since: inMinutes(5), until: inMinutes(15) })).toEqual([3]);
  });

  it('try a filter on a bounded number of rows, and reach what is behind them', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [{ seq: 1, reason: 'rare' }]);
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       SELECT $1, seq, 't-' || seq % 3, 's', 'frequent', 'd', '', 1, now() FROM generate_series(2, 60000) AS seq`,
      [streamId],
    );
    const found = await pages({ reason: 'rare' });
    expect(found.map((page) => page.length)).toEqual([0, 1]);
    expect(await seqs({ topics: ['t-1', 'orders'], reason: 'rare' })).toEqual([1]);
  });
});

describe('groups of dead letters', () => {
  it('count what failed alike, whatever numbers and quoted texts differ', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [
      { seq: 1, detail: `Unexpected token 'x', "xy" is not valid JSON` },
      { seq: 2, detail: `Unexpected token 'x', "{"a": x" is not valid JSON`, topic: 'b' },
      { seq: 3, reason: 'invalid_event', detail: 'payload: 17 levels, at most 12' },
      { seq: 4, reason: 'invalid_event', detail: 'payload: 18 levels, at most 12' },
      { seq: 5, reason: 'invalid_event', detail: 'source: missing' },
    ]);
    await giveUp(streamId, [{ seq: 5, reason: 'invalid_event', detail: 'source: missing' }], 'totals');
    const { groups, next } = await deadLetterGroups(gateway, { states: OPEN }, undefined);
    expect(next).toBeUndefined();
    expect(groups.map(({ consumer, reason, message, count }) => [consumer, reason, message, count])).toEqual(
      expect.arrayContaining([
        ['store', 'invalid_event', 'payload: # levels, at most #', 2],
        ['store', 'invalid_event', 'source: missing', 1],
        ['totals', 'invalid_event', 'source: missing', 1],
      ]),
    );
    expect(groups.filter(({ reason }) => reason === 'not_json')).toEqual([
      expect.objectContaining({ count: 2, topic: 'b', topics: 2 }),
    ]);
    const levels = groups.find(({ message }) => message.startsWith('payload'));
    expect(await seqs({ fingerprint: levels?.fingerprint })).toEqual([4, 3]);
    expect(levels?.newest).toEqual({ consumer: 'store', seq: 4, publishedMs: EPOCH_MS + 4 });
  });

  it('cover 60,000 dead letters in two walks, and count each once', async () => {
    const streamId = await incarnation();
    await system.pool.query(
      `INSERT INTO sekali.dead_letter (stream_id, seq, topic, subject, reason, detail, body, deliveries, published_at)
       SELECT $1, seq, 't', 's', 'r', 'row ' || seq, '', 1, now() FROM generate_series(1, 60000) AS seq`,
      [streamId],
    );
    const first = await deadLetterGroups(gateway, { states: OPEN }, undefined);
    const second = await deadLetterGroups(gateway, { states: OPEN }, first.next);
    expect(second.next).toBeUndefined();
    expect([...first.groups, ...second.groups].reduce((sum, { count }) => sum + count, 0)).toBe(60_000);
  });
});

describe('what became of a dead letter', () => {
  async function onlyOne(consumer = 'store'): Promise<DeadLetterEntry> {
    const found = (
      await pages({ consumer, states: ['open', 'replaying', 'stored', 'duplicate', 'dropped'] })
    ).flat();
    expect(found).toHaveLength(1);
    return found[0] as DeadLetterEntry;
  }

  async function begin(consumer = 'store'): Promise<string> {
    const { reference, actions } = await onlyOne(consumer);
    const target = { reference, actions, topic: 'orders', eventId: 'e-1', body: null };
    const [begun] = await beginReplays(gateway, OPERATOR, [target]);
    return begun?.actionId ?? '';
  }

  it('is open, then replaying, then stored', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [{ seq: 1 }]);
    expect(await onlyOne()).toMatchObject({ state: 'open', actions: 0, last: null });
    const actionId = await begin();
    expect(await onlyOne()).toMatchObject({ state: 'replaying', last: { by: 'ops', replaySeq: null } });
    await noteReplayed(gateway, [{ actionId, seq: 8 }]);
    await noteReplayed(gateway, [{ actionId, seq: 9 }]);
    expect(await onlyOne()).toMatchObject({ state: 'replaying', last: { replaySeq: 8 } });
    const store = `INSERT INTO sekali.event_key (topic, event_id, stream_id, seq, digest) VALUES ('orders', 'e-1', $1, 8, 0)`;
    await system.pool.query(store, [streamId]);
    expect(await onlyOne()).toMatchObject({ state: 'stored', actions: 1 });
    expect(await seqs()).toEqual([]);
  });

  it('is open again with its count when the replay fails, whose own row is not shown', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [{ seq: 1 }]);
    const actionId = await begin();
    await noteReplayed(gateway, [{ actionId, seq: 8 }]);
    await giveUp(streamId, [{ seq: 8, detail: 'again', headers: { 'Sekali-Replay': [actionId] } }]);
    const entry = await onlyOne();
    expect(entry).toMatchObject({ state: 'open', actions: 1, reference: { seq: 1 } });
    const found = await findDeadLetter(gateway, entry.reference, 100);
    expect(found?.history).toEqual([
      expect.objectContaining({
        number: 1,
        by: 'ops',
        reason: OPERATOR.reason,
        fate: 'dead_letter',
        failure: { reason: 'not_json', detail: 'again' },
      }),
    ]);
  });

  it('is shown when its header only claims to be a replay, or it is a replay of another consumer', async () => {
    const streamId = await incarnation();
    await giveUp(streamId, [{ seq: 1 }], 'totals');
    const actionId = await begin('totals');
    await noteReplayed(gateway, [{ actionId, seq: 8 }]);
    await giveUp(streamId, [
      { seq: 7, headers: { 'Sekali-Replay': ['00000000-0000-0000-0000-000000000000'] } },
      { seq: 8, headers: { 'Sekali-Replay': [actionId] } },
    ]);
    expect(await seqs({ consumer: 'store' })).toEqual([8, 7]);
  });

  it('is dropped with the reason, and stays as a row', async () => {
    await giveUp(await incarnation(), [{ seq: 1 }]);
    const { reference, actions } = await onlyOne();
    expect(await dropDeadLetters(gateway, OPERATOR, [{ reference, actions }])).toHaveLength(1);
    expect(await onlyOne()).toMatchObject({
      state: 'dropped',
      last: { kind: 'drop', reason: OPERATOR.reason },
    });
  });

  it('is decided by one of two clients that act at the same moment', async () => {
    await giveUp(await incarnation(), [{ seq: 1 }]);
    const { reference, actions } = await onlyOne();
    const target = { reference, actions, topic: 'orders', eventId: 'e-1', body: null };
    const begun = await Promise.all([
      ...range(4).map(() => beginReplays(gateway, OPERATOR, [target])),
      dropDeadLetters(gateway, OPERATOR, [target]),
    ]);
    expect(begun.flat()).toHaveLength(1);
  });

  it('is found under its reference after its row moved to another incarnation', async () => {
    const [first, second] = [await incarnation(), await incarnation('second')];
    await giveUp(first, [{ seq: 1 }]);
    const { reference } = await onlyOne();
    await begin();
    await system.pool.query('UPDATE sekali.dead_letter SET stream_id = $1', [second]);
    const again = readDeadLetterId(deadLetterId(reference));
    expect(again).toEqual(reference);
    const found = await findDeadLetter(gateway, again ?? reference, 100);
    expect(found).toMatchObject({ streamId: second, actions: 1, state: 'replaying' });
  });
});

describe('the reference of a dead letter', () => {
  it.each([
    '',
    'store',
    'store.1',
    'store.0.5',
    'Store.1.5',
    'store.1.5.6',
    'store.9999999999999999.5',
    'a-b.1.5',
  ])('is refused in any other form: %j', (text) => {
    expect(readDeadLetterId(text)).toBeUndefined();
  });
});
