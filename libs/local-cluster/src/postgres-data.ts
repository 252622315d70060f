/**
 * The data directory of a Postgres cluster: created once, recognised ever after.
 *
 * It is created under the name `<directory>.new` and renamed when it is complete. So an interrupted `initdb` leaves
 * nothing that seems finished. Connections on loopback need a password, because any user of the machine can reach the
 * port. It is random and kept in the directory itself, readable by its owner only.
 */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { PostgresBinaries } from './binaries.js';
import { LocalClusterError } from './local-cluster-error.js';
import { ManagedProcess } from './managed-process.js';
import { giveTo, type PostgresAccount } from './postgres-account.js';

const run = promisify(execFile);
const INITDB_TIMEOUT_MS = 120_000;
const PASSWORD_FILE = 'sekali-password';

/** Options for `initdb`. */
export interface PostgresDataOptions {
  readonly dataDirectory: string;
  readonly logDirectory: string;
  readonly binaries: PostgresBinaries;
  readonly account: PostgresAccount;
  readonly superuser: string;
  /** False skips the fsync of initdb's files, for data that may be lost. */
  readonly sync: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** The major version that a Postgres program reports. */
export async function readPostgresMajor(binaries: PostgresBinaries): Promise<number> {
  const { stdout } = await run(binaries.postgres, ['--version']).catch((error: unknown) => {
    throw new LocalClusterError(
      `Postgres does not run on this machine: ${String(error).split('\n').join(' ').trim()}`,
    );
  });
  const major = /\(PostgreSQL\) (\d+)/.exec(stdout)?.[1];
  if (major === undefined)
    throw new LocalClusterError(`${binaries.postgres} does not say that it is Postgres: "${stdout.trim()}".`);
  return Number(major);
}

/** Creates the data directory unless it exists, and returns the superuser's password. */
export async function preparePostgresData(options: PostgresDataOptions): Promise<string> {
  const { dataDirectory, account, binaries } = options;
  if (existsSync(join(dataDirectory, 'PG_VERSION'))) {
    const major = await readPostgresMajor(binaries);
    refuseOtherMajor(dataDirectory, major);
    giveTo(account.owner, dataDirectory);
    return readPassword(dataDirectory);
  }
  await initialise(options);
  return readPassword(dataDirectory);
}

function refuseOtherMajor(dataDirectory: string, major: number): void {
  const made = readFileSync(join(dataDirectory, 'PG_VERSION'), 'utf8').trim();
  if (made === String(major)) return;
  throw new LocalClusterError(
    `${dataDirectory} was made by Postgres ${made}, and this is Postgres ${major}: use Postgres ${made} (SEKALI_POSTGRES_BIN) or another data directory.`,
  );
}

async function initialise(options: PostgresDataOptions): Promise<void> {
  const { dataDirectory, account } = options;
  const staging = `${dataDirectory}.new`;
  const passwordFile = `${staging}-password`;
  rmSync(staging, { recursive: true, force: true });
  rmSync(passwordFile, { force: true });
  mkdirSync(staging, { mode: 0o700 });
  writeFileSync(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  if (account.owner !== undefined) {
    for (const path of [staging, passwordFile]) chownSync(path, account.owner.uid, account.owner.gid);
  }
  try {
    await runInitdb(options, staging, passwordFile);
    renameSync(passwordFile, join(staging, PASSWORD_FILE));
    renameSync(staging, dataDirectory);
  } finally {
    rmSync(passwordFile, { force: true });
    rmSync(staging, { recursive: true, force: true });
  }
}

async function runInitdb(options: PostgresDataOptions, staging: string, passwordFile: string): Promise<void> {
  const { command, args, user } = options.account.command(options.binaries.initdb, [
    `--pgdata=${staging}`,
    `--username=${options.superuser}`,
    `--pwfile=${passwordFile}`,
    '--auth=scram-sha-256',
    '--encoding=UTF8',
    '--locale=C',
    '--no-instructions',
    ...(options.sync ? [] : ['--no-sync']),
  ]);
  const logFile = join(options.logDirectory, 'initdb.log');
  const initdb = new ManagedProcess({
    name: 'initdb',
    command,
    args,
    logFile,
    workingDirectory: '/',
    ...(user && { user }),
  });
  const exit = await initdb.runToEnd({ timeoutMs: INITDB_TIMEOUT_MS, signal: options.signal });
  if (exit?.code === 0) return;
  const tail = initdb.logTail();
  const what = exit === undefined ? `was not done after ${INITDB_TIMEOUT_MS / 1_000} s` : 'failed';
  const last = tail.find((line) => /error|fatal/i.test(line)) ?? tail.at(-1) ?? 'it wrote nothing';
  throw new LocalClusterError(
    `initdb for ${options.dataDirectory} ${what}: ${last.trim()} (log: ${logFile})`,
    tail,
  );
}

function readPassword(dataDirectory: string): string {
  const file = join(dataDirectory, PASSWORD_FILE);
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    throw new LocalClusterError(
      `The password of the database cannot be read from ${file}: use another data directory.`,
    );
  }
}
