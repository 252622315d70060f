/** A worker may have tables created by functions that run with the rights of setup. Each function is bounded. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { grantRights, INBOX_TABLE, TABLES } from './grants.js';
import { createInbox, inboxNames } from './inbox-tables.js';
import { ensurePartitions } from './partitions.js';

const PERMISSION_DENIED = '42501';

let system: TestSystem;
let worker: Pool;

beforeAll(async () => {
  system = await createTestSystem();
  const urls = await createRoles(system.postgresUrl);
  await grantRights(system.pool);
  worker = createPool({ url: urls.worker, name: 'test', connectionsMax: 1, transactionMsMax: 30_000 });
});

afterAll(async () => {
  await worker.end();
  await system.dispose();
});

/**
 * Runs a statement as a worker and rolls it back.
 *
 * @returns the SQLSTATE of its error, `ok` without one
 */
async function outcome(statement: string): Promise<string> {
  const client = await worker.connect();
  try {
    await client.query('BEGIN');
    await client.query(statement);
    return 'ok';
  } catch (error) {
    return String((error as { code?: unknown }).code);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

describe('the functions that run with the rights of setup', () => {
  const day = (ahead: number): string => new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
  const partition = (ahead: number): string => `sekali.event_${day(ahead).replaceAll('-', '')}`;

  it('create partitions for a worker, which owns none of them', async () => {
    await system.pool.query(`DROP TABLE ${partition(2)}, ${partition(3)}`);
    expect(await ensurePartitions(worker)).toEqual([partition(2), partition(3)]);
    expect(await ensurePartitions(worker)).toEqual([]);
    expect(await outcome(`DROP TABLE ${partition(2)}`)).toBe(PERMISSION_DENIED);
  });

  it('begin a day where a partition from another time zone ends', async () => {
    const bounds = `SELECT pg_get_expr(relpartbound, oid) AS bounds FROM pg_class WHERE oid = $1::regclass`;
    const client = await system.pool.connect();
    try {
      await client.query(`DROP TABLE ${partition(4)}, ${partition(5)}, ${partition(6)}`);
      await client.query(`SET timezone = 'America/Los_Angeles'`);
      await client.query(
        `CREATE TABLE ${partition(4)} PARTITION OF sekali.event FOR VALUES FROM ('${day(4)}') TO ('${day(5)}')`,
      );
      await client.query(`SET timezone = 'UTC'`);
      const western = (await client.query<{ bounds: string }>(bounds, [partition(4)])).rows[0]?.bounds ?? '';
      expect(await ensurePartitions(worker)).toEqual([`${partition(4)}_0000`, partition(5), partition(6)]);
      const following = (await client.query<{ bounds: string }>(bounds, [partition(5)])).rows[0]?.bounds;
      const [, end] = /TO \((.+)\)/.exec(western) ?? [];
      expect(following).toBe(`FOR VALUES FROM (${end}) TO ('${day(6)} 00:00:00+00')`);
    } finally {
      client.release(true);
    }
  });

  it('are bounded for every caller', async () => {
    expect(await outcome(`SELECT sekali.make_partition(current_date + 63, current_date + 64)`)).toBe('22023');
    expect(await outcome(`SELECT sekali.make_partition(NULL, NULL)`)).toBe('22023');
    expect(await outcome(`SELECT sekali.make_inbox('x (id int); DROP TABLE y')`)).toBe('22023');
    const many = `SELECT sekali.make_inbox('many' || n) FROM generate_series(1, 101) n`;
    expect(await outcome(many)).toBe('54000');
  });

  it('find no object that their caller has created', async () => {
    const { rows } = await system.pool.query<{ name: string; path: string | null }>(
      `SELECT proname AS name, (SELECT s FROM unnest(proconfig) s WHERE s LIKE 'search_path=%') AS path
       FROM pg_proc WHERE pronamespace = 'sekali'::regnamespace AND prosecdef ORDER BY 1`,
    );
    const path = 'search_path=pg_catalog, pg_temp';
    expect(rows.map(({ name }) => name)).toEqual(
      expect.arrayContaining(['change_key_generation', 'make_inbox']),
    );
    expect(rows.filter((row) => row.path !== path)).toEqual([]);
  });
});

describe('an inbox', () => {
  it.each(['event', 'api', 'broker'])(
    'is not created for consumer %s, because its tables would be the store’s',
    async (name) => {
      await expect(createInbox(system.pool, name)).rejects.toThrow('cannot name an inbox');
    },
  );

  it('is not created by the database either for a consumer whose tables would be ours', async () => {
    const names = Object.keys(TABLES).flatMap((table) => INBOX_TABLE.exec(table)?.[1] ?? []);
    expect(new Set(names)).toEqual(new Set(['event', 'api', 'broker']));
    for (const name of names) expect(await outcome(`SELECT sekali.make_inbox('${name}')`)).toBe('22023');
    expect(await inboxNames(worker)).not.toContain('event');
  });

  it.each(['stream', 'counter', 'key', 'dead', 'horizon'])(
    'is created for consumer %s, whose name is a word of ours and gives no table of ours',
    async (name) => {
      await createInbox(worker, name);
      expect(await inboxNames(worker)).toContain(name);
    },
  );
});
