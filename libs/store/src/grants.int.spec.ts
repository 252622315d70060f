/**
 * Tests each role on each table, statement by statement. The rights are deliberately written down a second time here.
 */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import type { Pool } from 'pg';
import { createPool, isClosedGeneration } from '#postgres';
import { createRoles, createTestSystem, type TestSystem } from '#testing';
import { grantRights, ROLES, TABLES, VIEWS, type Program } from './grants.js';
import { databaseBytes } from './database-size.js';
import { createInbox } from './inbox-tables.js';
import { partitionsEndMs } from './partitions.js';
import { changeKeyGeneration } from './key-generations.js';

const PROGRAMS = Object.keys(ROLES) as Program[];
const STATEMENTS = ['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'ALTER', 'DROP'] as const;
const PERMISSION_DENIED = '42501';

const read = 'SELECT';
const write = 'SELECT INSERT';
const change = 'SELECT INSERT UPDATE';
const decision = {
  gateway: read,
  worker: `${write} UPDATE(stream_id)`,
  reader: read,
  recovery: read,
};
const duplicate = { ...decision, worker: `${write} UPDATE(stream_id,first_stream_id)` };
const attempt = { worker: 'SELECT INSERT UPDATE DELETE', reader: read, recovery: read };
const counter = { gateway: read, worker: change, reader: read, recovery: read };

/** The allowed statements; all others are refused. Brackets name the only columns that a statement may change. */
const ALLOWED: Record<string, Partial<Record<Program, string>>> = {
  api_key: { gateway: read },
  attempt,
  audit_result: { gateway: read, reader: read },
  broker_duplicate: { gateway: 'SELECT INSERT UPDATE DELETE', reader: read, recovery: read },
  consumer_start: { worker: change, reader: read, recovery: read },
  counter,
  dead_letter: decision,
  dead_letter_action: {
    gateway: `${write} UPDATE(replay_seq,replayed_at)`,
    reader: read,
    recovery: read,
  },
  dropped_payload: { reader: read },
  dropped_row: { reader: read },
  dropped_sequence: { reader: read },
  forgotten_generation: { reader: read },
  forgotten_id: { reader: read },
  forgotten_sequence: { reader: read },
  duplicate,
  event: decision,
  event_default: { reader: read },
  'event_<day>': {},
  event_key: decision,
  event_key_g1: decision,
  event_sample: { ...decision, worker: `${read} UPDATE(stream_id)` },
  histogram: { gateway: read, reader: read, recovery: read },
  further_horizon: { worker: change, reader: read, recovery: 'SELECT INSERT UPDATE DELETE' },
  horizon: { gateway: change, worker: change, reader: read, recovery: 'SELECT INSERT UPDATE DELETE' },
  index_rule: { reader: read },
  key_filter: { worker: 'SELECT INSERT DELETE', reader: read },
  key_generation: { gateway: read, worker: read, reader: read, recovery: read },
  message_id_secret: { gateway: read },
  migration: { gateway: read, reader: read },
  noted_day: { reader: read },
  noted_payload: { reader: read },
  program: {
    gateway: 'SELECT INSERT UPDATE DELETE',
    worker: 'SELECT INSERT UPDATE DELETE',
    reader: read,
  },
  promise: { gateway: 'SELECT INSERT DELETE', reader: read },
  retention_age: { gateway: read, worker: read, reader: read },
  retention_rule: { gateway: read, reader: read },
  store_loss: { gateway: read, worker: `${write} UPDATE(restored_at)`, reader: read, recovery: read },
  stream: { gateway: read, worker: write, reader: read, recovery: change },
  stream_floor: { worker: change, reader: read },
  totals_attempt: attempt,
  totals_counter: counter,
  totals_dead_letter: decision,
  totals_duplicate: duplicate,
  totals_key: decision,
  totals_key_g1: decision,
  totals_key_generation: { gateway: read, worker: read, reader: read, recovery: read },
  webhook_secret: { gateway: read },
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
  // This inbox is created before the roles have rights, as in a database of the previous version.
  await createInbox(system.pool, 'earlier');
  await beginGeneration(system.pool, 'earlier', 'earlier_key');
  await grantRights(system.pool);
  await createInbox(pools.worker, 'totals');
  await beginGeneration(pools.worker, 'store', 'event_key');
  await beginGeneration(pools.worker, 'totals', 'totals_key');
});

afterAll(async () => {
  await Promise.all(PROGRAMS.map((program) => pools[program].end()));
  await system.dispose();
});

it('the gateway reads what its metrics report of the database', async () => {
  expect(await partitionsEndMs(pools.gateway)).toBeGreaterThan(Date.now());
  expect(await databaseBytes(pools.gateway)).toBeGreaterThan(1_000_000);
});
/** Closes generation 0 of an inbox's keys. */
async function beginGeneration(pool: Pool, consumer: string, key: string): Promise<void> {
  await system.pool.query(
    `INSERT INTO sekali.${key} (topic, event_id, stream_id, seq, digest) VALUES ('t', 'e', 1, 1, 0)`,
  );
  expect(await changeKeyGeneration(pool, consumer, 0)).toBe(1);
}

/**
 * Runs a statement and rolls it back.
 *
 * @returns the SQLSTATE of its error, `ok` without one
 */
async function outcome(program: Program, statement: string): Promise<string> {
  const client = await pools[program].connect();
  try {
    await client.query('BEGIN');
    await client.query(statement);
    return 'ok';
  } catch (error) {
    // A closed generation refuses only who has the right to insert.
    return isClosedGeneration(error) ? 'ok' : String((error as { code?: unknown }).code);
  } finally {
    await client.query('ROLLBACK');
    client.release();
  }
}

interface Column {
  readonly name: string;
  readonly type: string;
}

/** Returns every table with its columns, except columns that only the database fills. */
async function tables(): Promise<{ name: string; columns: readonly [Column, ...Column[]] }[]> {
  const { rows } = await system.pool.query<{ name: string; columns: [Column, ...Column[]] }>(
    `SELECT relname AS name, json_agg(json_build_object(
       'name', quote_ident(attname), 'type', format_type(atttypid, atttypmod)) ORDER BY attnum) AS columns
     FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid
     WHERE relnamespace = 'sekali'::regnamespace AND relkind IN ('r', 'p') AND attnum > 0 AND attidentity = '' AND attgenerated = ''
       AND NOT attisdropped
     GROUP BY relname ORDER BY relname`,
  );
  return rows;
}

/** @returns `ok`, the SQLSTATE that refuses every column, or in brackets the columns that may be changed */
async function outcomeOfUpdates(
  program: Program,
  table: string,
  columns: readonly Column[],
): Promise<string> {
  const codes: { column: string; code: string }[] = [];
  for (const { name: column } of columns)
    codes.push({
      column,
      code: await outcome(program, `UPDATE sekali.${table} SET ${column} = NULL WHERE false`),
    });
  const [code, ...others] = new Set(codes.map((one) => one.code));
  if (code !== undefined && others.length === 0) return code;
  expect([code, ...others].sort()).toEqual([PERMISSION_DENIED, 'ok']);
  return `(${codes
    .filter((one) => one.code === 'ok')
    .map(({ column }) => column)
    .join(',')})`;
}

/** Returns the outcome of a statement by `allowed`, in the form of `outcome` and `outcomeOfUpdates`. */
function expectedOutcome(allowed: string, statement: string): string {
  for (const word of allowed.split(' ')) {
    if (word === statement) return 'ok';
    if (word.startsWith(`${statement}(`)) return word.slice(statement.length);
  }
  return PERMISSION_DENIED;
}

const kindOf = (table: string): string => table.replace(/^event_\d{8}$/, 'event_<day>');

describe('the roles of the programs', () => {
  it.each(PROGRAMS)('give the %s the rights that it needs to each table, and no others', async (program) => {
    const seen: Record<string, string> = {};
    const expected: Record<string, string> = {};
    for (const { name, columns } of await tables()) {
      if (name.startsWith('earlier_')) continue;
      const [{ name: column, type }] = columns;
      const statements: Record<Exclude<(typeof STATEMENTS)[number], 'UPDATE'>, string> = {
        SELECT: `SELECT ${column} FROM sekali.${name} LIMIT 1`,
        INSERT: `INSERT INTO sekali.${name} (${column}) SELECT NULL::${type} WHERE false`,
        DELETE: `DELETE FROM sekali.${name} WHERE false`,
        TRUNCATE: `TRUNCATE sekali.${name}`,
        ALTER: `ALTER TABLE sekali.${name} ADD COLUMN mine integer`,
        DROP: `DROP TABLE sekali.${name}`,
      };
      const allowed = ALLOWED[kindOf(name)]?.[program] ?? '';
      for (const statement of STATEMENTS) {
        const what = `${statement} ${kindOf(name)}`;
        seen[what] =
          statement === 'UPDATE'
            ? await outcomeOfUpdates(program, name, columns)
            : await outcome(program, statements[statement]);
        expected[what] = expectedOutcome(allowed, statement);
      }
    }
    expect(Object.keys(expected)).toHaveLength(Object.keys(ALLOWED).length * STATEMENTS.length);
    expect(seen).toEqual(expected);
  });

  it.each(PROGRAMS)('let the %s create nothing', async (program) => {
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

  it('let only a worker call the functions that run with the rights of setup', async () => {
    const calls = [
      'SELECT sekali.make_partition(current_date, current_date + 1)',
      `SELECT sekali.make_inbox('totals')`,
      `SELECT sekali.change_payload_index()`,
      `SELECT sekali.drop_aged_rows(1, 0, 1)`,
      `SELECT sekali.forget_ids(1)`,
      `SELECT sekali.drop_payload_day('event_20260101')`,
      `SELECT sekali.drop_payload_day_step('event_20260101', 1)`,
      `SELECT sekali.drop_payload_rows('event_20260101', 't', 0, 0, 1)`,
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

  it('let only people who read, and nothing that programs do, use the views', async () => {
    const { rows } = await system.pool.query<{ name: string }>(
      `SELECT relname AS name FROM pg_class WHERE relnamespace = 'sekali'::regnamespace AND relkind = 'v' ORDER BY 1`,
    );
    expect(rows.map(({ name }) => name)).toEqual(Object.keys(VIEWS));
    for (const { name } of rows) {
      for (const program of PROGRAMS) {
        const code = await outcome(program, `SELECT FROM sekali.${name} LIMIT 1`);
        expect({ name, program, code }).toEqual({
          name,
          program,
          code: program === 'reader' ? 'ok' : PERMISSION_DENIED,
        });
      }
      expect(await outcome('reader', `DELETE FROM sekali.${name}`)).not.toBe('ok');
    }
  });

  it('let only the audit keep its result', async () => {
    const call = `SELECT sekali.keep_audit_result('s', 'whole', 'all', 1, 0, 1, 'here')`;
    const codes = await Promise.all(PROGRAMS.map((program) => outcome(program, call)));
    expect(Object.fromEntries(PROGRAMS.map((program, index) => [program, codes[index]]))).toEqual({
      ...{ gateway: PERMISSION_DENIED, worker: PERMISSION_DENIED, recovery: PERMISSION_DENIED },
      reader: 'ok',
    });
  });

  it('have a line for every table that the migrations create', async () => {
    const own = (await tables())
      .map(({ name }) => name)
      .filter((name) => !/^event_\d{8}$|^(?:totals|earlier)_|_key_g\d+$/.test(name));
    expect(Object.keys(TABLES).sort()).toEqual(own.sort());
  });

  it('get their rights once, so that a second run changes nothing', async () => {
    expect(await grantRights(system.pool)).toEqual([]);
  });

  it('have the same rights to an inbox that was created before they had any', async () => {
    const rightsTo = async (consumer: string): Promise<unknown> => {
      const { rows } = await system.pool.query(
        `SELECT replace(relname, $1, '') AS name, pg_get_userbyid(grantee) AS role, privilege_type, NULL AS column
         FROM pg_class, aclexplode(relacl) WHERE relname LIKE $1 || '%' AND grantee <> relowner
         UNION ALL
         SELECT replace(relname, $1, ''), pg_get_userbyid(grantee), privilege_type, attname
         FROM pg_class JOIN pg_attribute ON attrelid = pg_class.oid, aclexplode(attacl) WHERE relname LIKE $1 || '%'
         ORDER BY 1, 2, 3, 4`,
        [`${consumer}_`],
      );
      return rows;
    };
    const rights = await rightsTo('totals');
    expect(rights).toContainEqual(
      expect.objectContaining({ name: 'duplicate', role: ROLES.worker, column: 'first_stream_id' }),
    );
    expect(await rightsTo('earlier')).toEqual(rights);
  });

  it('get rights only from the owner, and the error for another role names that owner', async () => {
    const database = await system.pool.query<{ name: string }>('SELECT current_database() AS name');
    await system.pool.query(`REVOKE SELECT ON sekali.event FROM ${ROLES.reader}`);
    await expect(grantRights(pools.worker)).rejects.toThrow(
      new RegExp(`${ROLES.worker} .*does not own .*${String(database.rows[0]?.name)}.* as its owner`),
    );
    expect(await grantRights(system.pool)).toEqual([`GRANT SELECT ON TABLE sekali.event TO ${ROLES.reader}`]);
  });

  it('lose foreign rights to columns, and keep their own when foreign rights to the table are revoked', async () => {
    await system.pool.query(`GRANT SELECT (hash) ON sekali.api_key TO ${ROLES.reader}`);
    await system.pool.query(`GRANT UPDATE (payload) ON sekali.event TO ${ROLES.worker}`);
    await system.pool.query(`GRANT UPDATE ON sekali.totals_key TO ${ROLES.worker}`);
    await system.pool.query(`REVOKE UPDATE (first_stream_id) ON sekali.duplicate FROM ${ROLES.worker}`);
    expect((await grantRights(system.pool)).sort()).toEqual([
      `GRANT UPDATE (first_stream_id) ON TABLE sekali.duplicate TO ${ROLES.worker}`,
      `GRANT UPDATE (stream_id) ON TABLE sekali.totals_key TO ${ROLES.worker}`,
      `REVOKE SELECT (hash) ON TABLE sekali.api_key FROM ${ROLES.reader}`,
      `REVOKE UPDATE (payload) ON TABLE sekali.event FROM ${ROLES.worker}`,
      `REVOKE UPDATE ON TABLE sekali.totals_key FROM ${ROLES.worker}`,
    ]);
    expect(await grantRights(system.pool)).toEqual([]);
  });

  it('lose rights that were added by hand, and get back those that were revoked', async () => {
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
