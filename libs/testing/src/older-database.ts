/** Sends the Postgres of a test back in time: by a copy of its files, or by a standby that is promoted. */
import { execFile } from 'node:child_process';
import { appendFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import pg from 'pg';
import { type PostgresServer, startPostgres } from '#local-cluster';
import { waitFor } from './condition.js';

const START_MS_MAX = 60_000;

/** Copies with owners and modes. */
async function copyFiles(from: string, to: string): Promise<void> {
  rmSync(to, { recursive: true, force: true });
  await promisify(execFile)('cp', ['-a', from, to]);
}

async function ask<T>(url: string, statement: string, values: readonly unknown[] = []): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(statement, [...values])).rows as T[];
  } finally {
    await client.end();
  }
}

/** A copy of the files of a server, which is stopped for it. */
export class DatabaseCopy {
  private constructor(
    private readonly server: PostgresServer,
    private readonly folder: string,
  ) {}

  static async of(server: PostgresServer): Promise<DatabaseCopy> {
    const copy = new DatabaseCopy(server, `${server.dataDirectory}-copy`);
    await server.stop();
    await copyFiles(server.dataDirectory, copy.folder);
    await server.start();
    return copy;
  }

  /** Puts the copy in the place of what the server has, as after a loss of its disk. */
  async putBack(): Promise<void> {
    await this.server.stop('immediate');
    await copyFiles(this.folder, this.server.dataDirectory);
    await this.server.start();
  }
}

/** An asynchronous standby of a server. It takes the place of the server under the same port. */
export class Standby {
  private constructor(
    private readonly primary: PostgresServer,
    readonly server: PostgresServer,
  ) {}

  static async of(primary: PostgresServer): Promise<Standby> {
    const folder = `${primary.dataDirectory}-standby-${Date.now()}`;
    await primary.stop();
    await copyFiles(primary.dataDirectory, folder);
    await primary.start();
    const { username, password } = new URL(primary.url);
    const source = `host=127.0.0.1 port=${primary.port} user=${username} password=${decodeURIComponent(password)}`;
    appendFileSync(join(folder, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    writeFileSync(join(folder, 'standby.signal'), '');
    const server = await startPostgres({
      dataDirectory: folder,
      settings: { fsync: 'off', max_connections: '200' },
    });
    return new Standby(primary, server);
  }

  /** Resolves when the standby has everything that the server has now. */
  async catchUp(): Promise<void> {
    const [{ lsn } = { lsn: '' }] = await ask<{ lsn: string }>(
      this.primary.url,
      'SELECT pg_current_wal_lsn()::text AS lsn',
    );
    const isThere = async (): Promise<boolean> => {
      const statement = 'SELECT coalesce(pg_last_wal_replay_lsn() >= $1::pg_lsn, false) AS there';
      return (await ask<{ there: boolean }>(this.server.url, statement, [lsn]))[0]?.there === true;
    };
    await waitFor(isThere, { timeoutMs: START_MS_MAX, describe: 'the standby to catch up' });
  }

  /** Cuts the standby off, so that it falls behind from now on. */
  async fallBehind(): Promise<void> {
    await ask(this.server.url, `ALTER SYSTEM SET primary_conninfo = ''`);
    await ask(this.server.url, 'SELECT pg_reload_conf()');
    const isCut = async (): Promise<boolean> =>
      (await ask(this.server.url, 'SELECT FROM pg_stat_wal_receiver')).length === 0;
    await waitFor(isCut, { timeoutMs: START_MS_MAX, describe: 'the standby to be cut off' });
  }

  /**
   * The server dies, and the standby takes its port and is promoted.
   *
   * @param before resolves when it has answered there as a standby for long enough
   */
  async takeOver(before: () => Promise<unknown> = () => Promise.resolve()): Promise<void> {
    const { port } = this.primary;
    await this.server.stop();
    await this.primary.stop('immediate');
    await this.server.usePort(port);
    await this.server.start();
    await before();
    await ask(this.server.url, 'SELECT pg_promote()');
  }

  async stop(): Promise<void> {
    await this.server.stop('immediate');
    rmSync(this.server.dataDirectory, { recursive: true, force: true });
  }
}
