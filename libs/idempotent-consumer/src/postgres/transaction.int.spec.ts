/** Statements that are sent together: when one of them fails, none remains. */
import { afterAll, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createPool } from '#postgres';
import { createTestSystem, TcpProxy, type TestSystem, waitFor } from '#testing';
import type { Transaction } from '../effect.js';
import { HandlerError } from '../handler-error.js';
import { inTransaction, type Statement, together } from './transaction.js';

const UNIQUE_VIOLATION = '23505';

let system: TestSystem;
/** Its connections have no `pipeline`. */
let plainPool: pg.Pool;
/** Statements that were sent on such a connection while another one was not answered. pg 9 will refuse them. */
let overlapping: string[] = [];

beforeAll(async () => {
  system = await createTestSystem();
  await system.pool.query('CREATE TABLE kept (n int PRIMARY KEY)');
  plainPool = new pg.Pool({ connectionString: system.postgresUrl, max: 1 });
  plainPool.on('connect', noteOverlapping);
  // The database is dropped while its last connection is still closing.
  plainPool.on('error', () => undefined);
});

afterAll(async () => {
  await plainPool.end();
  await system.dispose();
});

function noteOverlapping(client: pg.PoolClient): void {
  const query = client.query.bind(client) as (text: string, values?: unknown[]) => Promise<pg.QueryResult>;
  let running = 0;
  const noted = async (text: string, values?: unknown[]): Promise<pg.QueryResult> => {
    if (running > 0) overlapping.push(text);
    running++;
    return query(text, values).finally(() => {
      running--;
    });
  };
  Object.assign(client, { query: noted });
}

beforeEach(async () => {
  overlapping = [];
  await system.pool.query('TRUNCATE kept');
});

function keep(n: number): Statement {
  return { text: 'INSERT INTO kept VALUES ($1)', values: [n] };
}

async function kept(): Promise<number[]> {
  const { rows } = await system.pool.query<{ n: number }>('SELECT n FROM kept ORDER BY n');
  return rows.map(({ n }) => n);
}

/** Runs `work`, and sends `last` with the commit. */
type Run = <T>(
  work: (query: (statement: Statement) => Promise<unknown>) => Promise<T>,
  options?: { begin?: string; last?: Statement },
) => Promise<T>;

function runOn(pool: () => pg.Pool): Run {
  return (work, { begin = 'BEGIN', last } = {}) =>
    inTransaction(pool(), 1, begin, async (transaction: Transaction) => ({
      result: await work(({ text, values }) => transaction.query(text, values)),
      last,
    }));
}

describe.each([
  ['with pipeline', () => system.pool],
  ['without pipeline', () => plainPool],
])('a transaction on connections %s', (_, pool) => {
  const run = runOn(pool);

  it('commits statements that were sent together, and the one that goes with the commit', async () => {
    const work = (query: (statement: Statement) => Promise<unknown>): Promise<unknown> =>
      together([query(keep(1)), query(keep(2))]);
    await run(work, { last: keep(3) });
    expect(await kept()).toEqual([1, 2, 3]);
  });

  it('sends no statement before it is open: behind a failed BEGIN it would commit by itself', async () => {
    await expect(run((query) => query(keep(1)), { begin: 'BEGIN NOTHING' })).rejects.toThrow('syntax error');
    expect(await kept()).toEqual([]);
  });

  it('keeps nothing when one of several statements fails, and reports that one, in either order', async () => {
    await system.pool.query('INSERT INTO kept VALUES (1)');
    const orders: readonly (readonly [number, number])[] = [
      [1, 2],
      [2, 1],
    ];
    for (const [one, other] of orders) {
      const both = run((query) => {
        const first = query(keep(one));
        // The order of the list differs from that of sending.
        return together([query(keep(other)), first]);
      });
      await expect(both).rejects.toMatchObject({ code: UNIQUE_VIOLATION });
      expect(await kept()).toEqual([1]);
    }
  });

  it('keeps nothing when the statement with the commit fails', async () => {
    await expect(run((query) => query(keep(1)), { last: keep(1) })).rejects.toMatchObject({
      code: UNIQUE_VIOLATION,
    });
    expect(await kept()).toEqual([]);
  });

  it('fails when the error of a statement was swallowed, because its COMMIT rolled back', async () => {
    const hushed = run((query) => query({ text: 'SELECT 1 / 0', values: [] }).catch(() => undefined));
    await expect(hushed).rejects.toThrow('the effect swallowed the error');
  });

  it('returns usable connections to the pool, whatever failed', async () => {
    for (let round = 0; round < 10; round++) {
      await expect(run((query) => together([query(keep(0)), query(keep(0))]))).rejects.toThrow(
        'duplicate key',
      );
      await run((query) => query(keep(round + 1)));
    }
    expect(await kept()).toHaveLength(10);
    expect(pool().waitingCount).toBe(0);
  });

  it('rolls back behind every statement that was sent, awaited or not', async () => {
    const failing = run(async (query) => {
      void query({ text: 'SELECT pg_sleep(0.05)', values: [] });
      void query(keep(1));
      await Promise.resolve();
      throw new HandlerError(new Error('the handler gave up'));
    });
    await expect(failing).rejects.toThrow('the handler gave up');
    // On the same connection, so behind whatever was still to be sent.
    await run(() => Promise.resolve());
    expect(await kept()).toEqual([]);
  });

  it('leaves no statement to the queue of the client', async () => {
    await run((query) => together([query(keep(1)), query(keep(2))]), { last: keep(3) });
    expect(overlapping).toEqual([]);
  });
});

describe('a transaction', () => {
  it('sends a statement while Postgres is still busy with the one before', async () => {
    let sent = '';
    const url = new URL(system.postgresUrl);
    const proxy = await TcpProxy.start(Number(url.port), (bytes) => {
      sent += bytes.toString('latin1');
    });
    url.host = `127.0.0.1:${proxy.port}`;
    const pool = createPool({ url: url.href, name: 'pipeline', connectionsMax: 1, transactionMsMax: 20_000 });
    const other = await system.pool.connect();
    await other.query('SELECT pg_advisory_lock(1)');
    const running = inTransaction(pool, 1, 'BEGIN', async (transaction) => {
      const locked = transaction.query('SELECT pg_advisory_xact_lock(1)');
      return {
        result: await together([locked, transaction.query('SELECT $1 AS second', [1])]),
        last: undefined,
      };
    });
    try {
      await waitFor(() => sent.includes('AS second'), { timeoutMs: 10_000, describe: 'the second is sent' });
    } finally {
      await other.query('SELECT pg_advisory_unlock(1)');
      other.release();
      await running;
      await pool.end();
      await proxy.stop();
    }
  });
});
