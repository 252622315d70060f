/**
 * The roles of the programs, on a server of this run. All tests share them, because roles belong to a server and not to
 * a database.
 */
import pg from 'pg';
import { ROLES, type Program } from '#store';
import { urlOf } from './test-database.js';

const PASSWORD = 'of-a-test';
const ROLES_LOCK = 7_365_101;

/**
 * Creates the roles that are missing. They have no rights until setup, or `grantRights`, has granted them.
 *
 * @param url of a database, as superuser
 * @returns the URL of the same database for each program
 */
export async function createRoles(url: string): Promise<Readonly<Record<Program, string>>> {
  // Advisory locks belong to a database too. So every test takes this one in the same database.
  const client = new pg.Client({ connectionString: urlOf(url, 'postgres') });
  await client.connect();
  try {
    await client.query('SELECT pg_advisory_lock($1)', [ROLES_LOCK]);
    for (const role of Object.values(ROLES)) {
      const { rowCount } = await client.query('SELECT FROM pg_roles WHERE rolname = $1', [role]);
      if (rowCount === 0) await client.query(`CREATE ROLE ${role} LOGIN PASSWORD '${PASSWORD}'`);
    }
  } finally {
    await client.end();
  }
  return {
    gateway: as(url, ROLES.gateway),
    worker: as(url, ROLES.worker),
    reader: as(url, ROLES.reader),
    recovery: as(url, ROLES.recovery),
  };
}

function as(address: string, role: string): string {
  const url = new URL(address);
  url.username = role;
  url.password = PASSWORD;
  return url.href;
}
