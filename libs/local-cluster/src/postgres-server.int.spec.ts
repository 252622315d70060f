import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import pg from 'pg';
import { findPostgres } from './binaries.js';
import { drawFreePorts } from './free-port.js';
import { startPostgres, type PostgresServer } from './postgres-server.js';

const FAST = { fsync: 'off' };
let folders: string[];
let servers: PostgresServer[];

beforeEach(() => {
  folders = [];
  servers = [];
});
afterEach(async () => {
  await Promise.all(servers.map((server) => server.stop('immediate')));
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

function temporaryFolder(parent = tmpdir()): string {
  const folder = mkdtempSync(join(parent, 'sekali-postgres-'));
  folders.push(folder);
  return folder;
}

async function start(
  folder: string,
  options: Partial<Parameters<typeof startPostgres>[0]> = {},
): Promise<PostgresServer> {
  return startPostgres({
    dataDirectory: join(folder, 'postgres'),
    settings: FAST,
    onServer: (server) => servers.push(server),
    ...options,
  });
}

async function query<T>(server: PostgresServer, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  try {
    return (await client.query(text)).rows as T[];
  } finally {
    await client.end();
  }
}

describe('a Postgres server', () => {
  it('keeps its data over a stop and over SIGKILL', async () => {
    const server = await start(temporaryFolder());
    await query(server, 'CREATE TABLE kept AS SELECT 1 AS id');
    await server.stop();
    await server.start();
    await query(server, 'INSERT INTO kept VALUES (2)');
    const exited = server.exited;
    server.kill('SIGKILL');
    expect(await exited).toEqual({ code: null, signal: 'SIGKILL' });
    await server.start();
    expect(await query(server, 'SELECT id FROM kept ORDER BY id')).toEqual([{ id: 1 }, { id: 2 }]);
    expect(await query(server, 'SHOW server_encoding')).toEqual([{ server_encoding: 'UTF8' }]);
    expect(await query(server, 'SHOW listen_addresses')).toEqual([{ listen_addresses: '127.0.0.1' }]);
  });

  it('asks for its password, which only the owner of the data can read', async () => {
    const folder = temporaryFolder();
    const server = await start(folder);
    const file = join(folder, 'postgres', 'sekali-password');
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(server.url).toContain(readFileSync(file, 'utf8').trim());
    const stranger = new pg.Client({ connectionString: server.url.replace(/:[^:@]+@/, ':wrong@') });
    await expect(stranger.connect()).rejects.toMatchObject({ code: '28P01' });
  });

  it('runs with its data and its programs below a folder that only their owner may enter', async () => {
    const folder = temporaryFolder(homedir());
    cpSync(dirname(dirname(findPostgres().postgres)), join(folder, 'native'), {
      recursive: true,
      verbatimSymlinks: true,
    });
    const server = await start(folder, { binDirectory: join(folder, 'native', 'bin') });
    expect(statSync(folder).mode & 0o077).toBe(0);
    expect(await query(server, 'SELECT current_user AS name')).toEqual([{ name: 'sekali' }]);
  });

  it('names a chosen port that is busy', async () => {
    const [port] = (await drawFreePorts(1)) as [number];
    const occupant = await listen(port);
    const folder = temporaryFolder();
    await expect(start(folder, { port })).rejects.toThrow(`Port ${port} for Postgres is in use.`);
    occupant.close();
    expect(servers[0]?.pid).toBeUndefined();
  });

  it('refuses data of another major version, and repeats an unfinished initdb', async () => {
    const folder = temporaryFolder();
    writeFileSync(join(folder, 'postgres.new'), 'left by an interrupted initdb');
    const server = await start(folder);
    await server.stop('immediate');
    expect(existsSync(join(folder, 'postgres.new'))).toBe(false);
    writeFileSync(join(folder, 'postgres', 'PG_VERSION'), '9\n');
    await expect(start(folder)).rejects.toThrow(/was made by Postgres 9, and this is Postgres \d+/);
  });
});

function listen(port: number): Promise<Server> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}
