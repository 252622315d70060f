/** What a lookup finds decides as the statements do that decide on any batch, at the price of one reading. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import fc from 'fast-check';
import type { Pool, PoolClient } from 'pg';
import { createPool } from '#postgres';
import { createTestSystem, type TestSystem, waitFor } from '#testing';
import type { Message } from '../delivery.js';
import { deliveryOf, messageOf } from '../test/decider-conformance.js';
import type { ClaimStrategy } from './claim-strategy.js';
import { createInbox } from './create-inbox.js';
import { ForeignSequenceError } from './foreign-sequence.js';
import { Inbox } from './inbox.js';
import type { InboxTables } from './inbox-tables.js';

type Body = readonly [seq: number, body: string];

const STORED = { kind: 'stored' };
const DUPLICATE = { kind: 'duplicate', conflict: false };
const CONFLICT = { kind: 'duplicate', conflict: true };
const KNOWN = { kind: 'already-processed' };

let system: TestSystem;
let pool: Pool;
let tables: InboxTables;
let consumers = 0;
/** The statements that were sent on the only connection of the pool. */
let sent: string[] = [];

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
  pool = createPool({ url: system.postgresUrl, name: 'test', connectionsMax: 1, transactionMsMax: 30_000 });
  pool.on('connect', noteStatements);
});
afterAll(async () => {
  await pool.end();
  await system.dispose();
});
beforeEach(async () => {
  const own = await createInbox(system.pool, { consumer: `c${++consumers}` });
  // The tables of the store have no dates.
  await system.pool.query(`ALTER TABLE ${own.key} DROP COLUMN published_at`);
  tables = { ...own, keyIsDated: false };
  sent = [];
});

function noteStatements(client: PoolClient): void {
  const query = client.query.bind(client) as (...asked: unknown[]) => unknown;
  const noted = (statement: string | { readonly text: string }, ...more: unknown[]): unknown => {
    sent.push(typeof statement === 'string' ? statement : statement.text);
    return query(statement, ...more);
  };
  Object.assign(client, { query: noted });
}

/** An inbox that uses a strategy until a batch is refused. */
function inboxWith(strategy: ClaimStrategy): Inbox<string> {
  const inbox = new Inbox<string>(pool, tables, { apply: () => Promise.resolve() });
  for (const before of ['plain', 'lookup', 'defer'] as const) {
    if (before === strategy) break;
    inbox['strategies'].wasRefused(before);
  }
  return inbox;
}

async function decide(inbox: Inbox<string>, bodies: readonly Body[], streamId = 1): Promise<unknown[]> {
  const messages = bodies.map(([seq, body]) => messageOf(deliveryOf(seq, body)) as Message<string>);
  const outcomes = await inbox.process(streamId, { messages, poison: [] });
  return bodies.map(([seq]) => outcomes.get(seq));
}

async function duplicates(): Promise<unknown[]> {
  const { rows } = await system.pool.query<Record<string, unknown>>(
    `SELECT seq::int, event_id, first_stream_id, first_seq::int, conflict FROM ${tables.duplicate} ORDER BY stream_id, seq`,
  );
  return rows.map((row) => Object.values(row));
}

describe('a lookup', () => {
  it('finds the first message of each repeat, in the batch, before it, and in another incarnation', async () => {
    const inbox = inboxWith('lookup');
    expect(await decide(inbox, [[1, 'a'], [2, 'b']])).toEqual([STORED, STORED]); // prettier-ignore
    expect(await decide(inbox, [[3, 'a'], [4, 'c'], [5, 'c'], [6, 'b']])) // prettier-ignore
      .toEqual([DUPLICATE, STORED, DUPLICATE, DUPLICATE]);
    expect(await decide(inbox, [[7, 'd'], [8, 'c']], 2)).toEqual([STORED, DUPLICATE]); // prettier-ignore
    expect(await duplicates()).toEqual([
      [3, 'a', 1, 1, false],
      [5, 'c', 1, 4, false],
      [6, 'b', 1, 2, false],
      [8, 'c', 1, 4, false],
    ]);
  });

  it('is the only statement that reads what is known of plain repeats', async () => {
    const inbox = inboxWith('lookup');
    await decide(inbox, [[1, 'a'], [2, 'b']]); // prettier-ignore
    sent = [];
    await decide(inbox, [[3, 'a'], [4, 'b'], [5, 'c'], [6, 'c']]); // prettier-ignore
    expect(sent.filter((text) => text.includes('LATERAL'))).toHaveLength(1);
  });

  it('leaves a conflict, a message that was decided before, and one that differs within its batch', async () => {
    const inbox = inboxWith('lookup');
    await decide(inbox, [[1, 'a'], [2, 'b']]); // prettier-ignore
    expect(await decide(inbox, [[1, 'a'], [3, 'a/x'], [4, 'c'], [5, 'c/x'], [6, 'b']])) // prettier-ignore
      .toEqual([KNOWN, CONFLICT, STORED, CONFLICT, DUPLICATE]);
    sent = [];
    expect(await decide(inbox, [[3, 'a/x'], [6, 'b'], [7, 'd'], [8, 'd']])) // prettier-ignore
      .toEqual([KNOWN, KNOWN, STORED, DUPLICATE]);
    expect(await duplicates()).toHaveLength(4);
    expect(sent.filter((text) => text.startsWith('BEGIN'))).toHaveLength(1);
  });

  it('does not record a repeat that was given up as a dead letter', async () => {
    const inbox = inboxWith('lookup');
    await decide(inbox, [[1, 'a']]);
    const poison = [{ delivery: deliveryOf(2, 'a'), topic: 't', reason: 'effect_failed', detail: '' }];
    await inbox.process(1, { messages: [], poison });
    expect(await decide(inbox, [[2, 'a'], [3, 'a']])).toEqual([KNOWN, DUPLICATE]); // prettier-ignore
    expect(await duplicates()).toEqual([[3, 'a', 1, 1, false]]);
  });

  it('leaves a repeat whose sequence another message has, which proves another history', async () => {
    tables = await createInbox(system.pool, { consumer: `dated${consumers}` });
    const inbox = inboxWith('lookup');
    await decide(inbox, [[1, 'a'], [2, 'b']]); // prettier-ignore
    const publishedAt = new Date(0);
    const messages = [messageOf(deliveryOf(2, 'a', { publishedAt })) as Message<string>];
    await expect(inbox.process(1, { messages, poison: [] })).rejects.toThrow(ForeignSequenceError);
    expect(await duplicates()).toEqual([]);
  });

  it('is repeated when another transaction records one of the repeats at the same moment', async () => {
    const inbox = inboxWith('lookup');
    await decide(inbox, [[1, 'a']]);
    const other = await system.pool.connect();
    await other.query('BEGIN');
    await other.query(
      `INSERT INTO ${tables.duplicate} (stream_id, seq, topic, event_id, first_stream_id, first_seq, conflict, published_at)
       VALUES (1, 3, 't', 'a', 1, 1, false, $1)`,
      [deliveryOf(3, 'a').publishedAt],
    );
    const deciding = decide(inbox, [[2, 'b'], [3, 'a']]); // prettier-ignore
    const isWaiting = (): Promise<boolean> =>
      system.pool
        .query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
        .then(({ rowCount }) => (rowCount ?? 0) > 0);
    await waitFor(isWaiting, { timeoutMs: 10_000, describe: 'the inbox to wait for the other repeat' });
    await other.query('COMMIT');
    other.release();
    expect(await deciding).toEqual([STORED, KNOWN]);
    expect(await duplicates()).toEqual([[3, 'a', 1, 1, false]]);
  });

  it('decides on any history as the strategies do that trust no lookup', async () => {
    const bodies = fc.array(fc.constantFrom('a', 'b', 'c', 'a/x', 'c/x'), { minLength: 10, maxLength: 10 });
    const batches = fc.array(fc.uniqueArray(fc.nat({ max: 9 }), { minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 4,
    });
    let streams = 10;
    await fc.assert(
      fc.asyncProperty(bodies, batches, async (all, orders) => {
        const said: unknown[] = [];
        for (const strategy of ['plain', 'lookup', 'wait'] as const) {
          const [inbox, streamId] = [inboxWith(strategy), ++streams];
          const outcomes: unknown[] = [];
          for (const order of orders) {
            // Ids of another history of the property would be repeats.
            const batch = order.map((at): Body => [at + 1, `${streamId}-${all[at]}`]);
            outcomes.push(await decide(inbox, batch, streamId));
          }
          const { rows } = await system.pool.query(
            `SELECT seq, first_seq, conflict FROM ${tables.duplicate} WHERE stream_id = $1 ORDER BY seq`,
            [streamId],
          );
          said.push({ outcomes, rows });
        }
        expect(said[1]).toEqual(said[2]);
        expect(said[0]).toEqual(said[2]);
      }),
      { numRuns: 40 },
    );
  });
});

describe('a connection', () => {
  it('prepares the statements of a batch once', async () => {
    const inbox = inboxWith('lookup');
    for (const at of [1, 3, 5]) await decide(inbox, [[at, `id${at}`], [at + 1, `id${at}`]]); // prettier-ignore
    const { rows } = await pool.query<{ inserted: string; executions: number }>(
      `SELECT substring(statement from 'INSERT INTO (\\S+)') AS inserted, (generic_plans + custom_plans)::int AS executions
       FROM pg_prepared_statements WHERE statement LIKE '%' || $1 || '%' ORDER BY 1`,
      [`c${consumers}_`],
    );
    expect(rows).toEqual(
      [tables.counter, tables.duplicate, tables.key].map((inserted) => ({ inserted, executions: 3 })),
    );
  });
});
