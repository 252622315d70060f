/** Workers decide while the keys of their inbox begin other generations: every id takes effect once. */
import { afterAll, beforeAll, beforeEach, describe, expect, it, jest } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, isClosedGeneration } from '#postgres';
import { createRoles, createTestSystem, type TestSystem, waitFor } from '#testing';
import type { Outcome } from '../outcome.js';
import { deliveryOf, messageOf } from '../test/decider-conformance.js';
import type { Message } from '../delivery.js';
import { createInbox } from './create-inbox.js';
import { changeKeyGeneration } from './generation-change.js';
import { changeFunction } from './generation-functions.js';
import { Inbox } from './inbox.js';
import { generationTable, type TablesWithGenerations } from './inbox-tables.js';
import { allSuspect, type ClosedGeneration, type KeyFilters } from './key-filters.js';

const STREAM_ID = 1;
const CHANGES = 6;

let system: TestSystem;
let tables: TablesWithGenerations;
let consumers = 0;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});
afterAll(async () => {
  await system.dispose();
});
beforeEach(async () => {
  tables = await createInbox(system.pool, { consumer: `c${++consumers}` });
});

interface WorkerOptions {
  readonly pool?: Pool;
  /** What the effect waits for. */
  readonly hold?: () => Promise<void>;
  readonly filtersFor?: (closed: readonly ClosedGeneration[]) => KeyFilters;
}

function workerOf({ pool = system.pool, hold, filtersFor }: WorkerOptions = {}): Inbox<string> {
  const apply = hold ?? ((): Promise<void> => Promise.resolve());
  return new Inbox<string>(pool, tables, { apply }, {}, filtersFor);
}

function messagesOf(...bodies: readonly (readonly [seq: number, body: string])[]): Message<string>[] {
  return bodies.map(([seq, body]) => messageOf(deliveryOf(seq, body)) as Message<string>);
}

async function decide(
  worker: Inbox<string>,
  ...bodies: readonly (readonly [seq: number, body: string])[]
): Promise<(Outcome | undefined)[]> {
  const outcomes = await worker.process(STREAM_ID, { messages: messagesOf(...bodies), poison: [] });
  return bodies.map(([seq]) => outcomes.get(seq));
}

async function generationsOf(eventId: string): Promise<string[]> {
  const { rows } = await system.pool.query<{ place: string }>(
    `SELECT substring(tableoid::regclass::text from '_key[_g0-9]*') AS place FROM ${tables.key} WHERE event_id = $1 ORDER BY 1`,
    [eventId],
  );
  return rows.map(({ place }) => place);
}

function isSomeoneWaiting(): Promise<boolean> {
  return system.pool
    .query(`SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`)
    .then(({ rowCount }) => (rowCount ?? 0) > 0);
}

const STORED = { kind: 'stored' };
const DUPLICATE = { kind: 'duplicate', conflict: false };
const CONFLICT = { kind: 'duplicate', conflict: true };
const KNOWN = { kind: 'already-processed' };

describe('a repeat across a change of generation', () => {
  it('is a duplicate, a conflict or known, as within one generation, and new ids go into the youngest', async () => {
    const worker = workerOf();
    expect(await decide(worker, [1, 'a'], [2, 'b'])).toEqual([STORED, STORED]);
    await changeKeyGeneration(system.pool, tables, 0);
    const batch = [
      [1, 'a'],
      [3, 'a'],
      [4, 'b/other'],
      [5, 'c'],
      [6, 'c'],
    ] as const;
    expect(await decide(worker, ...batch)).toEqual([KNOWN, DUPLICATE, CONFLICT, STORED, DUPLICATE]);
    await changeKeyGeneration(system.pool, tables, 1);
    expect(await decide(worker, ...batch)).toEqual([KNOWN, KNOWN, KNOWN, KNOWN, KNOWN]);
    expect(await decide(worker, [7, 'a'], [8, 'c'], [9, 'd'])).toEqual([DUPLICATE, DUPLICATE, STORED]);
    expect(await Promise.all(['a', 'c', 'd'].map(generationsOf))).toEqual([
      ['_key'],
      ['_key_g1'],
      ['_key_g2'],
    ]);
    const { rows } = await system.pool.query<{ seq: number; first_seq: number }>(
      `SELECT seq::int, first_seq::int FROM ${tables.duplicate} ORDER BY seq`,
    );
    expect(rows.map(({ seq, first_seq: first }) => [seq, first])).toEqual([
      [3, 1],
      [4, 2],
      [6, 5],
      [7, 1],
      [8, 5],
    ]);
  });

  it('belongs to another history, when its sequence has another message in a closed generation', async () => {
    const worker = workerOf();
    await decide(worker, [1, 'a']);
    await changeKeyGeneration(system.pool, tables, 0);
    await decide(worker, [2, 'b']);
    const other = messageOf(deliveryOf(1, 'z', { publishedAt: new Date(0) })) as Message<string>;
    await expect(worker.process(STREAM_ID, { messages: [other], poison: [] })).rejects.toThrow(
      'known as other messages',
    );
  });

  it('is new again when its generation was emptied, and a minute later no batch reads the table', async () => {
    const worker = workerOf();
    await decide(worker, [1, 'a']);
    await changeKeyGeneration(system.pool, tables, 0);
    await decide(worker, [2, 'b']);
    await changeKeyGeneration(system.pool, tables, 1);
    expect(await decide(worker, [3, 'a'], [4, 'b'])).toEqual([DUPLICATE, DUPLICATE]);
    await system.pool.query(`DELETE FROM ${tables.keyGeneration} WHERE number = 1`);
    await system.pool.query(`TRUNCATE ONLY ${generationTable(tables.key, 1)}`);
    expect(await decide(worker, [5, 'a'], [6, 'b'])).toEqual([DUPLICATE, STORED]);
    const later = performance.now() + 61_000;
    const clock = jest.spyOn(performance, 'now').mockImplementation(() => later);
    try {
      expect(await decide(worker, [7, 'c'])).toEqual([STORED]);
      await system.pool.query(`DROP TABLE ${generationTable(tables.key, 1)}`);
      expect(await decide(worker, [8, 'a'], [9, 'b'], [10, 'd'])).toEqual([DUPLICATE, DUPLICATE, STORED]);
    } finally {
      clock.mockRestore();
    }
  });

  it('is found by a worker that starts after the change, and a rehearsal leaves nothing', async () => {
    await decide(workerOf(), [1, 'a']);
    await changeKeyGeneration(system.pool, tables, 0);
    await workerOf().rehearse(STREAM_ID, messagesOf([1, 'a'])[0] as Message<string>);
    expect(await decide(workerOf(), [2, 'a'])).toEqual([DUPLICATE]);
  });
});

describe('the price', () => {
  /** Opens a pool that notes its statements. */
  function recording(): { pool: Pool; texts: string[] } {
    const texts: string[] = [];
    const address = { url: system.postgresUrl, name: 'test', connectionsMax: 1, transactionMsMax: 30_000 };
    const pool = createPool(address);
    pool.on('connect', (client) => {
      const query = client.query.bind(client) as (...args: unknown[]) => Promise<unknown>;
      const noted = (...args: unknown[]): Promise<unknown> => {
        texts.push(String(args[0]));
        return query(...args);
      };
      Object.assign(client, { query: noted });
    });
    return { pool, texts };
  }

  it('is nothing before the first change, and later nothing for what no filter suspects', async () => {
    const { pool, texts } = recording();
    const nothing: KeyFilters = { suspectsOf: () => [] };
    const worker = workerOf({ pool, filtersFor: () => nothing });
    // A new connection reads the registry first.
    await decide(worker, [1, 'a']);
    texts.length = 0;
    await decide(worker, [2, 'b']);
    const before = texts.length;
    await changeKeyGeneration(system.pool, tables, 0);
    // The refusal, the retry, and once the largest closed sequence.
    await decide(worker, [3, 'c']);
    texts.length = 0;
    await decide(worker, [4, 'd'], [5, 'e']);
    expect(texts).toHaveLength(before);
    await pool.end();
  });

  it('is a lookup only where a filter suspects, and a filter that suspects wrongly changes nothing', async () => {
    const asked: string[] = [];
    const filtersFor = (closed: readonly ClosedGeneration[]): KeyFilters => ({
      suspectsOf: (topic, eventId) => {
        asked.push(`${topic} ${eventId}`);
        return eventId === 'n' ? [] : allSuspect(closed).suspectsOf(topic, eventId);
      },
    });
    const worker = workerOf({ filtersFor });
    await decide(worker, [1, 'a']);
    expect(asked).toEqual([]);
    await changeKeyGeneration(system.pool, tables, 0);
    expect(await decide(worker, [2, 'a'], [3, 'n'], [4, 'wrong'])).toEqual([DUPLICATE, STORED, STORED]);
    expect(new Set(asked)).toEqual(new Set(['t a', 't n', 't wrong']));
  });
});

describe('a change while workers decide', () => {
  it('waits for a batch that has claimed, and what this batch stored is a duplicate for the next worker', async () => {
    let release: (() => void) | undefined;
    const held = new Promise<void>((resolve) => (release = resolve));
    let hasBegun = false;
    const hold = (): Promise<void> => {
      hasBegun = true;
      return held;
    };
    await decide(workerOf(), [1, 'first']);
    const deciding = decide(workerOf({ hold }), [2, 'a']);
    await waitFor(() => hasBegun, { timeoutMs: 10_000, describe: 'the batch to be applied' });
    const changing = changeKeyGeneration(system.pool, tables, 0);
    await waitFor(isSomeoneWaiting, { timeoutMs: 10_000, describe: 'the change to wait' });
    release?.();
    expect(await deciding).toEqual([STORED]);
    expect(await changing).toBe(1);
    expect(await decide(workerOf(), [3, 'a'])).toEqual([DUPLICATE]);
    expect(await generationsOf('a')).toEqual(['_key']);
  });

  it('leaves nothing when it is killed while it waits, nor when a worker is killed before its commit', async () => {
    await decide(workerOf(), [1, 'first']);
    const client = await system.pool.connect();
    client.on('error', () => undefined);
    await client.query('BEGIN');
    await client.query(
      `INSERT INTO ${tables.key} (topic, event_id, stream_id, seq, digest, published_at) VALUES ('t', 'a', $1, 9, 0, now())`,
      [STREAM_ID],
    );
    const killed = changeKeyGeneration(system.pool, tables, 0).catch((error: unknown) => String(error));
    await waitFor(isSomeoneWaiting, { timeoutMs: 10_000, describe: 'the change to wait' });
    const waiting = `SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
    await system.pool.query(waiting);
    expect(await killed).toContain('canceling');
    const worker = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
    await system.pool.query('SELECT pg_terminate_backend($1)', [worker.rows[0]?.pid]);
    await waitFor(async () => (await changeKeyGeneration(system.pool, tables, 0)) === 1, {
      timeoutMs: 10_000,
      describe: 'the change to happen',
    });
    client.release(true);
    expect(await decide(workerOf(), [2, 'a'])).toEqual([STORED]);
    expect(await generationsOf('a')).toEqual(['_key_g1']);
  });

  it('keeps a worker that missed it from claiming what a worker that knows it claims', async () => {
    const [late, current] = [workerOf(), workerOf()];
    await decide(late, [1, 'x']);
    await changeKeyGeneration(system.pool, tables, 0);
    await decide(current, [2, 'y']);
    const ids = Array.from({ length: 20 }, (_, n) => `both-${n}`);
    const sent = (first: number): (readonly [number, string])[] => ids.map((id, n) => [first + n, id]);
    const outcomes = await Promise.all([decide(late, ...sent(100)), decide(current, ...sent(200))]);
    expect(outcomes.flat().filter((outcome) => outcome?.kind === 'stored')).toHaveLength(ids.length);
    for (const id of ids) expect(await generationsOf(id)).toEqual(['_key_g1']);
  });

  it('ends every sequence once, while three workers decide on the same ids and the keys change without pause', async () => {
    const workers = [workerOf(), workerOf(), workerOf()];
    const ids = 30;
    let seq = 0;
    let generation = 0;
    let isOver = false;
    const changes = async (): Promise<void> => {
      while (!isOver) {
        const next = await changeKeyGeneration(system.pool, tables, generation).catch((error: unknown) => {
          if (isClosedGeneration(error)) throw error;
          return undefined;
        });
        generation = next ?? generation;
      }
    };
    const works = workers.map(async (worker, n) => {
      const outcomes: (Outcome | undefined)[] = [];
      // Each round has a new id, so that the youngest generation can be closed.
      for (let round = 0; round < 40 || generation < CHANGES; round++) {
        const batch = Array.from({ length: 5 }, (_, at) => {
          const id = `id-${(round * 3 + at * 7 + n) % (ids + round)}`;
          return [++seq, id] as const;
        });
        const first = await decide(worker, ...batch);
        const postponed = batch.filter((_, at) => first[at]?.kind === 'postponed');
        outcomes.push(...first.filter((outcome) => outcome?.kind !== 'postponed'));
        for (const one of postponed) outcomes.push(...(await decide(worker, one)));
      }
      return outcomes;
    });
    const changing = changes();
    const outcomes = (await Promise.all(works).finally(() => (isOver = true))).flat();
    await changing;
    expect(generation).toBeGreaterThanOrEqual(CHANGES);
    const { rows } = await system.pool.query<{ keys: number; ids: number; rows: number; seqs: number }>(
      `WITH settled AS (SELECT seq FROM ${tables.key} UNION ALL SELECT seq FROM ${tables.duplicate})
       SELECT (SELECT count(*)::int FROM ${tables.key}) AS keys, (SELECT count(DISTINCT event_id)::int FROM ${tables.key}) AS ids,
         count(*)::int AS rows, count(DISTINCT seq)::int AS seqs FROM settled`,
    );
    const stored = outcomes.filter((outcome) => outcome?.kind === 'stored').length;
    expect(rows).toEqual([{ keys: stored, ids: stored, rows: seq, seqs: seq }]);
  });
});

describe('a role that owns nothing', () => {
  it('changes the generation only with the right to do so, and has the same rights to what that creates', async () => {
    const { worker: url } = await createRoles(system.postgresUrl);
    const pool = createPool({ url, name: 'test', connectionsMax: 1, transactionMsMax: 30_000 });
    try {
      await system.pool.query(
        `GRANT USAGE ON SCHEMA inbox TO sekali_worker; GRANT SELECT, INSERT ON ${tables.key}, ${tables.stream} TO sekali_worker`,
      );
      await decide(workerOf(), [1, 'a']);
      await expect(changeKeyGeneration(pool, tables, 0)).rejects.toMatchObject({ code: '42501' });
      await system.pool.query(`GRANT EXECUTE ON FUNCTION ${changeFunction(tables)} TO sekali_worker`);
      expect(await changeKeyGeneration(pool, tables, 0)).toBe(1);
      await pool.query(
        `INSERT INTO ${generationTable(tables.key, 1)} (topic, event_id, stream_id, seq, digest, published_at)
         VALUES ('t', 'b', 1, 2, 0, now())`,
      );
      for (const table of [tables.key, tables.keyGeneration, tables.keyFilter]) {
        await pool.query(`SELECT FROM ${table}`);
        await expect(pool.query(`TRUNCATE ${table}`)).rejects.toMatchObject({ code: '42501' });
      }
    } finally {
      await pool.end();
    }
  });

  it('changes nothing that is not the youngest, or has no keys', async () => {
    expect(await changeKeyGeneration(system.pool, tables, 0)).toBeUndefined();
    await decide(workerOf(), [1, 'a']);
    expect(await changeKeyGeneration(system.pool, tables, 1)).toBeUndefined();
    const { rows } = await system.pool.query('SELECT to_regclass($1) IS NULL AS missing', [
      tables.keyGeneration,
    ]);
    expect(rows).toEqual([{ missing: true }]);
    expect(await changeKeyGeneration(system.pool, tables, 0)).toBe(1);
    expect(await changeKeyGeneration(system.pool, tables, 0)).toBeUndefined();
    expect(await changeKeyGeneration(system.pool, tables, 1)).toBeUndefined();
  });
});

describe('a store that went back in time', () => {
  /** Ends the connections of a pool, as the end of a server does. */
  /** Ends the connections of a pool, and waits until it has noticed. */
  async function breakConnections(pool: Pool, name: string): Promise<void> {
    const ended = `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND application_name = $1`;
    await system.pool.query(ended, [name]);
    await waitFor(() => pool.totalCount === 0, { timeoutMs: 10_000, describe: 'the connections to end' });
  }

  /** Puts the keys back to before their first change. */
  async function reopen(): Promise<void> {
    const { key, keyGeneration } = tables;
    await system.pool.query(`
      DROP TABLE ${generationTable(key, 1)}; DROP TABLE ${keyGeneration}; DROP TRIGGER closed ON ${key}`);
  }

  function poolOf(name: string): Pool {
    const pool = createPool({ url: system.postgresUrl, name, connectionsMax: 1, transactionMsMax: 30_000 });
    pool.on('error', () => undefined);
    return pool;
  }

  it('may open a closed generation again, and new ids go there', async () => {
    const pool = poolOf('back-1');
    const worker = workerOf({ pool });
    await decide(worker, [1, 'a']);
    await changeKeyGeneration(system.pool, tables, 0);
    await decide(worker, [2, 'b']);
    await reopen();
    await breakConnections(pool, 'back-1');
    expect(await decide(worker, [3, 'a'], [4, 'b'])).toEqual([DUPLICATE, STORED]);
    expect(await generationsOf('b')).toEqual(['_key']);
    await pool.end();
  });

  it('may close it once more with other keys, and its former filter is not believed', async () => {
    const pool = poolOf('back-2');
    // It knows what was in the generation when it was closed for the first time.
    const lives = new Map<string, ReadonlySet<string>>();
    const filtersFor = ([first]: readonly ClosedGeneration[]): KeyFilters => {
      const closedAt = first?.closedAt ?? '';
      if (lives.size === 0) lives.set(closedAt, new Set(['a']));
      const ids = lives.get(closedAt);
      return { suspectsOf: (_topic, eventId) => (ids === undefined || ids.has(eventId) ? [0] : []) };
    };
    const worker = workerOf({ pool, filtersFor });
    await decide(worker, [1, 'a']);
    await changeKeyGeneration(system.pool, tables, 0);
    await decide(worker, [2, 'b']);
    await reopen();
    await breakConnections(pool, 'back-2');
    await decide(workerOf(), [3, 'c']);
    await changeKeyGeneration(system.pool, tables, 0);
    expect(await decide(worker, [4, 'c'])).toEqual([DUPLICATE]);
    expect(await generationsOf('c')).toEqual(['_key']);
    await pool.end();
  });
});
