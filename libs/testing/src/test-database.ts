/**
 * A database for one test, with the schema in it.
 *
 * The migrations run once per server, into a template. Each database is then a copy of it, in a fraction of the time.
 */
import pg from 'pg';
import { createPool, type PostgresAddress } from '#postgres';
import { createDataSource, ensurePartitions, runMigrations } from '#store';

const TEMPLATE = 'sekali_template';
const UNFINISHED = 'sekali_template_unfinished';
const TEMPLATE_LOCK = 7_365_100;
const MIGRATION_MS_MAX = 60_000;

/** Creates a database with the schema. @returns its URL */
export async function createDatabase(serverUrl: string, name: string): Promise<string> {
  await withClient(serverUrl, async (client) => {
    await client.query('SELECT pg_advisory_lock($1)', [TEMPLATE_LOCK]);
    try {
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [TEMPLATE]);
      if (rowCount === 0) await createTemplate(client, serverUrl);
    } finally {
      await client.query('SELECT pg_advisory_unlock($1)', [TEMPLATE_LOCK]);
    }
    await client.query(`CREATE DATABASE ${name} TEMPLATE ${TEMPLATE}`);
  });
  return urlOf(serverUrl, name);
}

/** Removes a database, even when clients are still connected to it. It is repeatable. */
export async function dropDatabase(serverUrl: string, name: string): Promise<void> {
  await withClient(serverUrl, async (client) => {
    await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`);
  });
}

/** The template gets its name only when it is complete, so that a test that is killed leaves no half of one. */
async function createTemplate(client: pg.Client, serverUrl: string): Promise<void> {
  await client.query(`DROP DATABASE IF EXISTS ${UNFINISHED} WITH (FORCE)`);
  await client.query(`CREATE DATABASE ${UNFINISHED}`);
  await migrate(urlOf(serverUrl, UNFINISHED));
  await client.query(`ALTER DATABASE ${UNFINISHED} RENAME TO ${TEMPLATE}`);
}

async function migrate(url: string): Promise<void> {
  const address: PostgresAddress = {
    url,
    name: 'test',
    connectionsMax: 2,
    transactionMsMax: MIGRATION_MS_MAX,
  };
  const dataSource = await createDataSource(address);
  await dataSource.initialize();
  try {
    await runMigrations(dataSource);
  } finally {
    await dataSource.destroy();
  }
  const pool = createPool(address);
  try {
    await ensurePartitions(pool);
  } finally {
    await pool.end();
  }
}

async function withClient(url: string, work: (client: pg.Client) => Promise<void>): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await work(client);
  } finally {
    await client.end();
  }
}

/** The URL of a database on a server. */
export function urlOf(serverUrl: string, database: string): string {
  const url = new URL(serverUrl);
  url.pathname = `/${database}`;
  return url.href;
}
