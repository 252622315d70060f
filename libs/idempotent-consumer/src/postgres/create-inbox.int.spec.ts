/** The library alone creates an inbox, once, and never over a table of other software. */
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import pg from 'pg';
import { createTestSystem, type TestSystem } from '#testing';
import { createInbox } from './create-inbox.js';
import { InboxNameError, type InboxTables, inboxTables } from './inbox-tables.js';

let system: TestSystem;

beforeAll(async () => {
  system = await createTestSystem({ replicas: 1 });
});
afterAll(async () => {
  await system.dispose();
});

async function relations(schema: string): Promise<string[]> {
  const { rows } = await system.pool.query<{ name: string }>(
    'SELECT relname AS name FROM pg_class WHERE relnamespace = to_regnamespace($1) ORDER BY 1',
    [schema],
  );
  return rows.map(({ name }) => name);
}

/** The tables that an inbox has from the beginning. */
const namesOf = ({ key, duplicate, deadLetter, attempt, counter, stream }: InboxTables): string[] => [
  ...[key, duplicate, deadLetter],
  ...[attempt, counter, stream],
];

/** Returns the error of a refused inbox, and checks that nothing has changed. */
async function refusal(consumer: string, schema: string): Promise<string> {
  const before = await relations(schema);
  const error: unknown = await createInbox(system.pool, { schema, consumer }).catch(
    (failure: unknown) => failure,
  );
  expect(error).toBeInstanceOf(InboxNameError);
  expect(await relations(schema)).toEqual(before);
  return String(error);
}

describe('the names of inboxes', () => {
  it('never collide, whatever the names of consumers and constraints', async () => {
    const suffixes = ['key', 'duplicate', 'dead_letter', 'attempt', 'counter', 'stream'];
    const constraints = ['identity', 'sequence', 'topic', 'number', 'base', 'incarnation', 'stream_id_seq'];
    const ends = suffixes.flatMap((table) => constraints.map((constraint) => `${table}_${constraint}`));
    const consumers = ['event', 'api', 'broker', 'store', 'dead', 'A', 'a', 'a-b', 'a_b', '1'];
    const all = [...consumers, ...suffixes, ...constraints, ...ends.map((end) => `a_${end}`)];
    for (const consumer of all) await createInbox(system.pool, { schema: 'all', consumer });
    const { rows } = await system.pool.query(
      `SELECT relname FROM pg_class WHERE relnamespace = 'all'::regnamespace AND relkind = 'r'`,
    );
    expect(rows).toHaveLength(all.length * suffixes.length);
  });

  it('are not truncated by Postgres, up to the longest', async () => {
    const consumer = 'x'.repeat(40);
    await createInbox(system.pool, { schema: 'long', consumer });
    const found = await relations('long');
    expect(found).toEqual(
      expect.arrayContaining([`${consumer}_dead_letter`, `${consumer}_dead_letter_sequence`]),
    );
    expect(found).toContain(`${consumer}_stream_stream_id_seq`);
    expect(() => inboxTables({ consumer: `${consumer}x` })).toThrow('cannot name an inbox');
  });

  it.each(['', 'a b', 'a.b', 'a"b', "a'b", '_a', '-a', 'ä', 'x; DROP SCHEMA all', '$1'])(
    'are refused with a sentence when no table can have them: %j',
    (consumer) => {
      expect(() => inboxTables({ consumer })).toThrow(InboxNameError);
      expect(() => inboxTables({ consumer })).toThrow('use 1 to 40 letters, digits, _ and -');
    },
  );

  it.each(['', 'a.b', 'pg_own', 'information_schema', 'a"b', '1a'])(
    'are refused when no schema can have them: %j',
    (schema) => {
      expect(() => inboxTables({ schema, consumer: 'a' })).toThrow('cannot be the schema of inboxes');
    },
  );
});

describe('an inbox', () => {
  it('is created once by many processes at once, and is unchanged when they come again', async () => {
    const pools = Array.from(
      { length: 4 },
      () => new pg.Pool({ connectionString: system.postgresUrl, max: 3 }),
    );
    const create = (): Promise<InboxTables>[] =>
      pools.flatMap((pool) => [1, 2, 3].map(() => createInbox(pool, { schema: 'many', consumer: 'totals' })));
    try {
      await Promise.all(create());
      await system.pool.query(`INSERT INTO many.totals_stream (name, identity) VALUES ('S', 'x')`);
      await Promise.all(create());
    } finally {
      await Promise.all(pools.map((pool) => pool.end()));
    }
    expect((await system.pool.query('SELECT name FROM many.totals_stream')).rows).toEqual([{ name: 'S' }]);
  });

  it('is in schema inbox by default', async () => {
    expect((await createInbox(system.pool, { consumer: 'plain' })).key).toBe('"inbox"."plain_key"');
    expect(await relations('inbox')).toContain('plain_key');
  });

  it('needs no right to create anything when it exists already', async () => {
    const tables = await createInbox(system.pool, { schema: 'given', consumer: 'totals' });
    const client = await system.pool.connect();
    try {
      await client.query(`BEGIN; CREATE ROLE reader_only; GRANT USAGE ON SCHEMA given TO reader_only`);
      await client.query('SET LOCAL ROLE reader_only');
      const asReader = { query: client.query.bind(client) } as unknown as pg.Pool;
      expect(await createInbox(asReader, { schema: 'given', consumer: 'totals' })).toEqual(tables);
    } finally {
      await client.query('ROLLBACK');
      client.release();
    }
  });

  it('of a version without generations gets the functions for them, from its owner alone', async () => {
    const create = (pool: pg.Pool) => createInbox(pool, { schema: 'former', consumer: 'totals' });
    const functions = async (): Promise<number | null> =>
      (await system.pool.query(`SELECT FROM pg_proc WHERE pronamespace = 'former'::regnamespace`)).rowCount;
    await create(system.pool);
    expect(await functions()).toBe(2);
    await system.pool.query('DROP FUNCTION former.totals_change_key_generation, former.totals_refuse_keys');
    const role = `user_${system.streamName.toLowerCase()}`;
    await system.pool.query(`CREATE ROLE ${role}; GRANT CREATE, USAGE ON SCHEMA former TO ${role}`);
    const other = new pg.Pool({ connectionString: system.postgresUrl, max: 1, options: `-c role=${role}` });
    try {
      await create(other);
      expect(await functions()).toBe(0);
      await Promise.all([create(system.pool), create(system.pool)]);
      expect(await functions()).toBe(2);
    } finally {
      await other.end();
      await system.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it('is created by a role that may create tables in an existing schema, and no schemas', async () => {
    const role = `maker_${system.streamName.toLowerCase()}`;
    await system.pool.query(
      `CREATE ROLE ${role}; CREATE SCHEMA ready; GRANT CREATE, USAGE ON SCHEMA ready TO ${role}`,
    );
    const maker = new pg.Pool({ connectionString: system.postgresUrl, max: 1, options: `-c role=${role}` });
    try {
      await createInbox(maker, { schema: 'ready', consumer: 'totals' });
      await expect(createInbox(maker, { schema: 'other', consumer: 'totals' })).rejects.toThrow(
        'permission denied',
      );
    } finally {
      await maker.end();
      await system.pool.query(`DROP OWNED BY ${role}; DROP ROLE ${role}`);
    }
  });

  it.each(['key', 'duplicate', 'dead_letter', 'attempt', 'counter', 'stream'])(
    'is refused with a sentence when another table has the name of its %s, and no table is created',
    async (suffix) => {
      const schema = `theirs_${suffix}`;
      await system.pool.query(`CREATE SCHEMA ${schema}; CREATE TABLE ${schema}.event_${suffix} (id int)`);
      expect(await refusal('event', schema)).toContain(
        `"${schema}"."event_${suffix}" exists already and is not the table of an inbox: give the consumer another name`,
      );
    },
  );

  it('is not created while only a part of it exists: without its keys every effect would happen once more', async () => {
    const tables = await createInbox(system.pool, { schema: 'parts', consumer: 'totals' });
    await system.pool.query(`DROP TABLE ${tables.key}`);
    expect(await refusal('totals', 'parts')).toContain('"parts"."totals_key" of an inbox is missing');
  });

  it('of a newer version is refused by an older program', async () => {
    const tables = await createInbox(system.pool, { schema: 'newer', consumer: 'totals' });
    for (const table of namesOf(tables))
      await system.pool.query(`COMMENT ON TABLE ${table} IS 'Inbox of a consumer, version 2: of tomorrow'`);
    expect(await refusal('totals', 'newer')).toContain('has version 2, and this program knows version 1');
  });
});
