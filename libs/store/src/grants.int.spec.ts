/** Each role against each table, statement by statement. What stands here is written down a second time on purpose. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { createPool } from './data-source.js';
import { grantRights, ROLES, TABLES, type Program } from './grants.js';
import { createInbox } from './inbox-tables.js';
import { ensurePartitions } from './partitions.js';

const PROGRAMS = Object.keys(ROLES) as Program[];
const STATEMENTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ALTER', 'DROP'] as const;
const PERMISSION_DENIED = '42501';

const read = 'SELECT';
const write = 'SELECT INSERT';
const change = 'SELECT INSERT UPDATE';
const decision = { gateway: read, worker: write, reader: read, recovery: read };
const attempt = { worker: 'SELECT INSERT UPDATE DELETE', reader: read, recovery: read };
const counter = { gateway: read, worker: change, reader: read, recovery: read };

/** All that may be done; everything else is refused. */
const ALLOWED: Record<string, Partial<Record<Program, string>>> = {
  api_key: { gateway: read },
  attempt,
  broker_duplicate: { gateway: change, reader: read, recovery: read },
  consumer_start: { worker: change, reader: read, recovery: read },
  counter,
  dead_letter: decision,
  duplicate: decision,
  event: decision,
  event_default: { reader: read },
  'event_<day>': {},
  event_key: decision,
  horizon: { gateway: change, worker: change, reader: read, recovery: 'SELECT INSERT UPDATE DELETE' },
  migration: { gateway: read, reader: read },
  promise: { gateway: 'SELECT INSERT DELETE', reader: read, recovery: read },
  stream: { gateway: read, worker: write, reader: read, recovery: change },
  totals_attempt: attempt,
  totals_counter: counter,
  totals_dead_letter: decision,
  totals_duplicate: decision,
  totals_key: decision,
};

let system: TestSystem;
const pools = {} as Record<Program, Pool>;

beforeAll(async () => {
  system = await createTestSystem();
  const urls = await createRoles(system.postgresUrl);
  for (const program of PROGRAMS) {
    const address = { url: urls[program], name: 'test', connectionsMax: 1, transactionMsMax: 30_000 };
    pools[program] = createPool(address);
  }
  // Made before anybody has rights, as in a database of the version before.
  await createInbox(system.pool, 'earlier');
  await grantRights(system.pool);
  await createInbox(pools.worker, 'totals');
});

afterAll(async () => {
  await Promise.all(PROGRAMS.map((program) => pools[program].end()));
  await system.dispose();
});

/** Runs it and undoes it. @returns the SQLSTATE, `ok` when there was none */
async function outcome(program: Program, statement: string): Promise<string> {
  const client = await pools[program].connect();
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

async function tables(): Promise<{ name: string; column: string; type: string }[]> {
  const { rows } = await system.pool.query<{ name: string; column: string; type: string }>(
    `SELECT DISTINCT ON (relname) relname AS name, attname AS column, format_type(atttypid, atttypmod) AS type
     FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND attidentity = ''
     ORDER BY relname, attnum`,
  );
  return rows;
}

const kindOf = (table: string): string => table.replace(/^event_\d{8}$/, 'event_<day>');

describe('the roles of the programs', () => {
  it.each(PROGRAMS)('give the %s what it needs at each table, and refuse the rest', async (program) => {
    const seen: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const { name, column, type } of await tables()) {
      if (name.startsWith('earlier_')) continue;
      const statements: Record<(typeof STATEMENTS)[number], string> = {
        SELECT: `SELECT ${column} FROM sekali.${name} LIMIT 1`,
        INSERT: `INSERT INTO sekali.${name} (${column}) SELECT NULL::${type} WHERE false`,
        UPDATE: `UPDATE sekali.${name} SET ${column} = NULL WHERE false`,
        DELETE: `DELETE FROM sekali.${name} WHERE false`,
        TRUNCATE: `TRUNCATE sekali.${name}`,
        ALTER: `ALTER TABLE sekali.${name} ADD COLUMN mine integer`,
        DROP: `DROP TABLE sekali.${name}`,
      };
      const allowed = (ALLOWED[kindOf(name)]?.[program] ?? '').split(' ');
      for (const statement of STATEMENTS) {
        const what = `${statement} ${kindOf(name)}`;
        seen[what] = await outcome(program, statements[statement]);
        expected[what] = allowed.includes(statement) ? 'ok' : PERMISSION_DENIED;
      }
    }
    expect(Object.keys(expected)).toHaveLength(Object.keys(ALLOWED).length * STATEMENTS.length);
    expect(seen).toEqual(expected);
  });

  it.each(PROGRAMS)('let the %s make nothing of its own', async (program) => {
    const forbidden = [
      'CREATE TABLE sekali.mine (id integer)',
      'CREATE FUNCTION sekali.mine() RETURNS integer LANGUAGE sql RETURN 1',
      'CREATE SCHEMA mine',
      'CREATE ROLE mine',
      `SET ROLE sekali`,
      'ALTER FUNCTION sekali.make_inbox RENAME TO other',
    ];
    for (const statement of forbidden) {
      expect({ statement, code: await outcome(program, statement) }).toEqual({
        statement,
        code: PERMISSION_DENIED,
      });
    }
  });

  it('let a worker alone call what runs with the rights of setup', async () => {
    const calls = [
      'SELECT sekali.make_partition(current_date, current_date + 1)',
      `SELECT sekali.make_inbox('totals')`,
    ];
    for (const program of PROGRAMS) {
      for (const call of calls) {
        const expected = program === 'worker' ? 'ok' : PERMISSION_DENIED;
        expect({ program, call, code: await outcome(program, call) }).toEqual({
          program,
          call,
          code: expected,
        });
      }
    }
  });

  it('have a line for every table that the migrations make', async () => {
    const own = (await tables())
      .map(({ name }) => name)
      .filter((name) => !/^event_\d{8}$|^(?:totals|earlier)_/.test(name));
    expect(Object.keys(TABLES).sort()).toEqual(own.sort());
  });

  it('are given their rights once: a second run finds nothing to change', async () => {
    expect(await grantRights(system.pool)).toEqual([]);
  });

  it('have the same rights to an inbox that was made before there were any', async () => {
    const rightsTo = async (consumer: string): Promise<unknown> => {
      const { rows } = await system.pool.query(
        `SELECT replace(relname, $1, '') AS name, pg_get_userbyid(grantee) AS role, privilege_type
         FROM pg_class, aclexplode(relacl) WHERE relname LIKE $1 || '%' AND grantee <> relowner ORDER BY 1, 2, 3`,
        [`${consumer}_`],
      );
      return rows;
    };
    expect(await rightsTo('earlier')).toEqual(await rightsTo('totals'));
  });

  it('are given nothing by anybody but the owner, who is told so', async () => {
    const database = await system.pool.query<{ name: string }>('SELECT current_database() AS name');
    await system.pool.query(`REVOKE SELECT ON sekali.event FROM ${ROLES.reader}`);
    await expect(grantRights(pools.worker)).rejects.toThrow(
      new RegExp(`${ROLES.worker} .*does not own .*${String(database.rows[0]?.name)}.* as its owner`),
    );
    expect(await grantRights(system.pool)).toEqual([`GRANT SELECT ON TABLE sekali.event TO ${ROLES.reader}`]);
  });

  it('lose what somebody gave them beyond it, and get back what was taken', async () => {
    await system.pool.query(`GRANT DELETE ON sekali.event TO ${ROLES.worker}`);
    await system.pool.query(`GRANT SELECT ON sekali.event_default TO ${ROLES.gateway}`);
    await system.pool.query(`REVOKE SELECT ON sekali.api_key FROM ${ROLES.gateway}`);
    await system.pool.query('CREATE TABLE sekali.theirs (id integer)');
    await system.pool.query(`GRANT SELECT ON sekali.theirs TO ${ROLES.gateway}`);
    expect((await grantRights(system.pool)).sort()).toEqual([
      `GRANT SELECT ON TABLE sekali.api_key TO ${ROLES.gateway}`,
      `REVOKE DELETE ON TABLE sekali.event FROM ${ROLES.worker}`,
      `REVOKE SELECT ON TABLE sekali.event_default FROM ${ROLES.gateway}`,
    ]);
    expect(await outcome('gateway', 'SELECT FROM sekali.theirs')).toBe('ok');
    await system.pool.query('DROP TABLE sekali.theirs');
  });
});

describe('the functions that run with the rights of setup', () => {
  const day = (ahead: number): string => new Date(Date.now() + ahead * 86_400_000).toISOString().slice(0, 10);
  const partition = (ahead: number): string => `sekali.event_${day(ahead).replaceAll('-', '')}`;

  it('make the partitions for a worker, who owns none of them', async () => {
    await system.pool.query(`DROP TABLE ${partition(2)}, ${partition(3)}`);
    expect(await ensurePartitions(pools.worker)).toEqual([partition(2), partition(3)]);
    expect(await ensurePartitions(pools.worker)).toEqual([]);
    expect(await outcome('worker', `DROP TABLE ${partition(2)}`)).toBe(PERMISSION_DENIED);
  });

  it('make a day begin where one ends that was made in another time zone', async () => {
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
      expect(await ensurePartitions(pools.worker)).toEqual([
        `${partition(4)}_0000`,
        partition(5),
        partition(6),
      ]);
      const following = (await client.query<{ bounds: string }>(bounds, [partition(5)])).rows[0]?.bounds;
      const [, end] = /TO \((.+)\)/.exec(western) ?? [];
      expect(following).toBe(`FOR VALUES FROM (${end}) TO ('${day(6)} 00:00:00+00')`);
    } finally {
      client.release(true);
    }
  });

  it('are bounded, whoever calls them', async () => {
    expect(
      await outcome('worker', `SELECT sekali.make_partition(current_date + 63, current_date + 64)`),
    ).toBe('22023');
    expect(await outcome('worker', `SELECT sekali.make_partition(NULL, NULL)`)).toBe('22023');
    expect(await outcome('worker', `SELECT sekali.make_inbox('x (id int); DROP TABLE y')`)).toBe('22023');
    const many = `SELECT sekali.make_inbox('many' || n) FROM generate_series(1, 100) n`;
    expect(await outcome('worker', many)).toBe('54000');
  });

  it('find nothing that their caller has put in the way', async () => {
    const { rows } = await system.pool.query<{ name: string; path: string | null }>(
      `SELECT proname AS name, (SELECT s FROM unnest(proconfig) s WHERE s LIKE 'search_path=%') AS path
       FROM pg_proc WHERE pronamespace = 'sekali'::regnamespace AND prosecdef ORDER BY 1`,
    );
    const path = 'search_path=pg_catalog, pg_temp';
    expect(rows).toEqual([
      { name: 'make_inbox', path },
      { name: 'make_partition', path },
    ]);
  });
});

describe('an inbox', () => {
  it.each(['event', 'api', 'broker'])(
    'is not made where its tables would be the store’s: %s',
    async (name) => {
      await expect(createInbox(system.pool, name)).rejects.toThrow('cannot name an inbox');
    },
  );
});
