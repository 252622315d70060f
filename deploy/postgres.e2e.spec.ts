/**
 * The database as it is deployed: each program has its own role, over TLS. It starts as a database of the previous
 * version, where one role owns everything and does everything.
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, jest } from '@jest/globals';
import pg from 'pg';
import { readClientSettings } from '#config';
import { createPool } from '#postgres';
import { createTestSystem, startApp, waitFor, type App, type TestSystem } from '#testing';
import { sekali } from './test/command-line.js';
import { SecuredPostgres } from './test/secured-postgres.js';

const MINUTE_MS = 60_000;
jest.setTimeout(3 * MINUTE_MS);

let system: TestSystem;
let postgres: SecuredPostgres;

beforeAll(async () => {
  [system, postgres] = await Promise.all([createTestSystem(), SecuredPostgres.start()]);
}, MINUTE_MS);

afterAll(async () => {
  await postgres.stop();
});

type Environment = Record<string, string>;
const withDatabase = (database: Environment): Environment => ({ ...system.environment, ...database });

async function runSetup(database: Environment): Promise<App> {
  const setup = await startApp('setup', withDatabase(database));
  expect(await setup.exited).toMatchObject({ code: 0 });
  return setup;
}

/** Publishes like a producer: it tries again when the gateway says so. */
async function publish(gateway: App, token: string | undefined, events: readonly object[]): Promise<number> {
  for (;;) {
    const status = await publishOnce(gateway, token, events);
    if (status !== 503) return status;
  }
}

async function publishOnce(
  gateway: App,
  token: string | undefined,
  events: readonly object[],
): Promise<number> {
  const answer = await fetch(`${gateway.url}/publish`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      ...(token !== undefined && { authorization: `Bearer ${token}` }),
    },
    body: JSON.stringify(events),
  });
  return answer.status;
}

const event = (id: string, payload = {}): object => ({
  topic: 'orders',
  event_id: id,
  timestamp: '2026-11-22T10:00:00Z',
  source: 'test',
  payload,
});

async function rowsOf(table: string): Promise<number> {
  const { rows } = await postgres.superuser.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM sekali.${table}`,
  );
  return rows[0]?.count ?? 0;
}

const wait = (describe: string): { timeoutMs: number; describe: string } => ({
  timeoutMs: MINUTE_MS,
  describe,
});

describe('a database with one role', () => {
  it('is set up and used as before, and nothing is granted', async () => {
    const only = postgres.plainEnvironmentOf('setup');
    const setup = await runSetup(only);
    expect(setup.output()).not.toContain('rights of the programs');
    const [gateway, worker] = await Promise.all([
      startApp('gateway', withDatabase(only)),
      startApp('worker', withDatabase(only)),
    ]);
    expect(await publish(gateway, undefined, [event('1'), event('2')])).toBe(202);
    await waitFor(async () => (await rowsOf('event')) === 2, wait('both events to be stored'));
    await Promise.all([gateway.stop(), worker.stop()]);
  });

  it('gets the other roles, and their rights from setup', async () => {
    await postgres.makeRoles();
    await postgres.demandTls();
    const setup = await runSetup(postgres.environmentOf('setup'));
    expect(setup.output()).toContain('rights of the programs brought up to date');
    expect((await runSetup(postgres.environmentOf('setup'))).output()).not.toContain(
      'rights of the programs',
    );
  });
});

describe('the programs, each under its role', () => {
  let gateway: App;
  let worker: App;
  let token: string;

  beforeAll(async () => {
    const asSetup = withDatabase(postgres.environmentOf('setup'));
    const made = await sekali(
      asSetup,
      'keys',
      'create',
      '--name',
      'test',
      '--scopes',
      'publish,read',
      '--json',
    );
    token = (JSON.parse(made.output) as { token: string }).token;
    // Tomorrow's partition is missing, so the worker has to create it.
    await postgres.superuser.query(
      `DO $$ BEGIN EXECUTE format('DROP TABLE sekali.%I', 'event_' || to_char((now() AT TIME ZONE 'UTC')::date + 1, 'YYYYMMDD')); END $$`,
    );
    [gateway, worker] = await Promise.all([
      startApp('gateway', {
        ...withDatabase(postgres.environmentOf('gateway')),
        SEKALI_HTTP_KEYS_ON_LOOPBACK: 'true',
      }),
      startApp('worker', withDatabase(postgres.environmentOf('worker'))),
    ]);
  }, MINUTE_MS);

  const get = async (path: string): Promise<unknown> => {
    const answer = await fetch(`${gateway.url}${path}`, { headers: { authorization: `Bearer ${token}` } });
    return answer.json();
  };

  it('take, store, count and give up', async () => {
    const subject = `${system.subjectPrefix}.orders`;
    expect(await publish(gateway, undefined, [event('3')])).toBe(401);
    expect(await publish(gateway, token, [event('3'), event('4'), event('3')])).toBe(202);
    // The same id with another payload, after the brokers' duplicate window, and a message that is not an event.
    await system.connection.request(subject, JSON.stringify(event('3', { other: 1 })), { timeout: 10_000 });
    await system.connection.request(subject, 'no event', { timeout: 10_000 });
    await waitFor(async () => (await rowsOf('event')) === 4, wait('four events to be stored'));
    await waitFor(async () => (await rowsOf('dead_letter')) === 1, wait('the dead letter'));
    await waitFor(async () => (await rowsOf('duplicate')) === 1, wait('the conflict'));
    await waitFor(async () => (await rowsOf('broker_duplicate')) === 1, wait('the duplicate of the brokers'));
    expect(await get('/stats')).toMatchObject({
      unique_processed: 4,
      conflicts: 1,
      dead_letters: 1,
      in_flight: 0,
      duplicates: { store: 1 },
    });
    expect(await get('/events?limit=10')).toHaveLength(4);
    expect(await get('/health/ready')).toMatchObject({ components: { schema: { status: 'ok' } } });
    expect(worker.output()).not.toMatch(/permission denied|could not be created/);
    await waitFor(() => worker.output().includes('partitions created'), wait('the partition to be created'));
  });

  it('audit as reader', async () => {
    const ended = await sekali(
      withDatabase(postgres.environmentOf('reader')),
      'audit',
      '--wait',
      '30',
      '--json',
    );
    expect(ended).toMatchObject({ code: 0, output: expect.stringContaining('"verdict": "whole"') });
  });

  it('have everything delivered again: rewind, setup, and the same counts', async () => {
    const rewound = await sekali(withDatabase(postgres.environmentOf('recovery')), 'rewind');
    expect(rewound).toMatchObject({ code: 0, output: expect.stringContaining('is deleted') });
    await runSetup(postgres.environmentOf('setup'));
    expect(await publish(gateway, token, [event('5')])).toBe(202);
    await waitFor(async () => (await rowsOf('event')) === 5, wait('an event after the rewind to be stored'));
    const ended = await sekali(
      withDatabase(postgres.environmentOf('reader')),
      'audit',
      '--wait',
      '30',
      '--json',
    );
    expect(ended).toMatchObject({ code: 0, output: expect.stringContaining('"verdict": "whole"') });
  });

  it('cannot make a key, or do away with an event, with the gateway’s password', async () => {
    const ended = await sekali(
      withDatabase(postgres.environmentOf('gateway')),
      ...['keys', 'create', '--name', 'thief', '--scopes', 'admin'],
    );
    expect(ended).toMatchObject({ code: 2, output: expect.stringContaining('permission denied') });
  });
});

describe('a client of the database', () => {
  const attempt = async (environment: Environment): Promise<string> => {
    const url = readClientSettings(environment).SEKALI_POSTGRES_URL;
    const pool = createPool({ url, name: 'test', connectionsMax: 1, transactionMsMax: 10_000 });
    try {
      const { rows } = await pool.query<{ ssl: boolean }>(
        'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
      );
      return rows[0]?.ssl === true ? 'encrypted' : 'plain';
    } catch (error) {
      return (error as Error).message;
    } finally {
      await pool.end();
    }
  };

  it('is let in over TLS, verified, and not without', async () => {
    for (const user of ['setup', 'gateway', 'worker', 'reader', 'recovery', 'accounts'] as const) {
      expect(await attempt(postgres.environmentOf(user))).toBe('encrypted');
      expect(await attempt(postgres.environmentOf(user, '127.0.0.1'))).toBe('encrypted');
      expect(await attempt(postgres.plainEnvironmentOf(user))).toMatch(
        /no pg_hba.conf entry .*no encryption/,
      );
    }
  });

  it('reads for a minute at most, and changes nothing, as the role of people', async () => {
    const { rows } = await postgres.superuser.query<{ setting: string }>(
      `SELECT unnest(setconfig) AS setting FROM pg_db_role_setting WHERE setrole = 'sekali_reader'::regrole ORDER BY 1`,
    );
    expect(rows.map(({ setting }) => setting)).toEqual([
      'default_transaction_read_only=on',
      'idle_in_transaction_session_timeout=60s',
      'statement_timeout=60s',
    ]);
  });

  it('does not talk to a server of another authority, or of another name', async () => {
    const other = join(postgres.secrets, 'other.crt');
    writeFileSync(other, postgres.secret('postgres.crt'));
    const environment = postgres.environmentOf('gateway');
    expect(await attempt({ ...environment, SEKALI_POSTGRES_CA_FILE: other })).toMatch(
      /unable to|self.signed/,
    );
    expect(await attempt(postgres.environmentOf('gateway', '127.1'))).toMatch(/Host: 127.1. is not in/);
  });

  it('is not the superuser, nor in another database', async () => {
    const { SEKALI_POSTGRES_URL: address = '', ...rest } = postgres.environmentOf('gateway');
    const as = (change: (url: URL) => void): Environment => {
      const url = new URL(address);
      change(url);
      return { ...rest, SEKALI_POSTGRES_URL: url.href };
    };
    expect(await attempt(as((url) => (url.username = 'postgres')))).toMatch(/no pg_hba.conf entry/);
    expect(await attempt(as((url) => (url.pathname = '/postgres')))).toMatch(/no pg_hba.conf entry/);
  });

  it('has a new password as soon as its secret is another', async () => {
    const { superuser } = postgres;
    const kept = 'SELECT rolname, rolpassword FROM pg_authid WHERE rolname LIKE $1 ORDER BY 1';
    const before = await superuser.query<{ rolname: string; rolpassword: string }>(kept, ['sekali%']);
    expect(before.rows).toHaveLength(6);
    for (const { rolpassword } of before.rows) expect(rolpassword).toMatch(/^SCRAM-SHA-256\$/);
    await superuser.query(`ALTER ROLE sekali_worker PASSWORD 'of-before' CREATEROLE`);
    expect(await attempt(postgres.environmentOf('worker'))).toMatch(/password authentication failed/);
    await postgres.makeRoles();
    expect(await attempt(postgres.environmentOf('worker'))).toBe('encrypted');
    const rights = await superuser.query<{ may: boolean }>(
      `SELECT bool_or(rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls) AS may
       FROM pg_roles WHERE rolname LIKE 'sekali%'`,
    );
    expect(rights.rows).toEqual([{ may: false }]);
  });

  it('may be a login of another name that is a member of a role', async () => {
    await postgres.superuser.query(`CREATE ROLE alice LOGIN PASSWORD 'of-alice' IN ROLE sekali_reader`);
    const { SEKALI_POSTGRES_URL: address = '', SEKALI_POSTGRES_CA_FILE: authority = '' } =
      postgres.environmentOf('reader');
    const url = new URL(address);
    [url.username, url.password] = ['alice', 'of-alice'];
    const client = new pg.Client({
      connectionString: readClientSettings({
        SEKALI_POSTGRES_URL: url.href,
        SEKALI_POSTGRES_CA_FILE: authority,
      }).SEKALI_POSTGRES_URL,
    });
    await client.connect();
    try {
      expect((await client.query('SELECT FROM sekali.event')).rowCount).toBe(5);
      await expect(client.query('DELETE FROM sekali.event')).rejects.toMatchObject({ code: '42501' });
    } finally {
      await client.end();
    }
  });
});
