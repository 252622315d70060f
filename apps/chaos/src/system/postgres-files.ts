/**
 * The files of Postgres, and a second server that runs as the judged one does: the same program, user and settings.
 *
 * What the program is, its process says (/proc), so this works on Linux only. The caller must have ended a server before
 * its files are copied or replaced.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { existsSync, readFileSync, readlinkSync, statSync } from 'node:fs';
import { appendFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { until } from './deadline.js';
import { untilEnded } from './signals.js';
import { runStatement } from './sql-door.js';

const run = promisify(execFile);
const READY_MS_MAX = 30_000;
const STANDBY_SIGNAL = 'standby.signal';

/** The data directory of Postgres below that of a local system. Undefined when it does not exist. */
export function databaseIn(data: string): string | undefined {
  const directory = join(data, 'postgres');
  return existsSync(join(directory, 'PG_VERSION')) ? directory : undefined;
}

/** How a Postgres runs. */
export interface PostgresProgram {
  readonly program: string;
  /** Without the data directory. */
  readonly args: readonly string[];
  readonly uid: number;
  readonly gid: number;
}

/** Finds out how a running Postgres was started. Throws when the process cannot be read. */
export function programOf(pid: number): PostgresProgram {
  const [, ...args] = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').filter(Boolean);
  const { uid, gid } = statSync(`/proc/${pid}`);
  const at = args.indexOf('-D');
  const others = args.filter((_, n) => n !== at && n !== at + 1);
  return { program: readlinkSync(`/proc/${pid}/exe`), args: others, uid, gid };
}

/** Whether processes can be read here. */
export function canReadPrograms(): boolean {
  return existsSync('/proc/self/cmdline');
}

/** Copies a data directory with owners and modes. */
export async function copyDatabase(from: string, to: string): Promise<void> {
  await removeDatabase(to);
  await run('cp', ['-a', from, to]);
}

/** Replaces a data directory by another one, which is moved. */
export async function replaceDatabase(directory: string, by: string): Promise<void> {
  const aside = `${directory}.aside`;
  await rename(directory, aside);
  await rename(by, directory);
  await removeDatabase(aside);
}

/** Removes a data directory, if there is one. */
export async function removeDatabase(directory: string): Promise<void> {
  await rm(directory, { recursive: true, force: true, maxRetries: 3 });
}

/**
 * An asynchronous standby, in a copy of the files of its primary.
 *
 *   files copied ─▶ start ─▶ follows ─▶ fallBehind ─▶ promote ─▶ stop: the files are those of another timeline
 */
export class StandbyServer {
  private child: ChildProcess | undefined;

  /**
   * @param directory a copy of the primary's files, which becomes the standby's
   * @param primaryUrl with user and password
   * @param port a free port
   */
  constructor(
    private readonly running: PostgresProgram,
    private readonly directory: string,
    private readonly primaryUrl: string,
    private readonly port: number,
  ) {}

  /** Starts it and resolves when it answers. */
  async start(): Promise<void> {
    const { hostname, port, username, password } = new URL(this.primaryUrl);
    const source = `host=${hostname} port=${port} user=${username} password=${decodeURIComponent(password)}`;
    await appendFile(join(this.directory, 'postgresql.auto.conf'), `primary_conninfo = '${source}'\n`);
    await writeFile(join(this.directory, STANDBY_SIGNAL), '');
    const { program, args, uid, gid } = this.running;
    const isOther = process.getuid?.() === 0;
    this.child = spawn(program, ['-D', this.directory, ...args, '-c', `port=${this.port}`], {
      ...(isOther && { uid, gid }),
      cwd: '/',
      stdio: 'ignore',
      detached: true,
    });
    this.child.on('error', () => undefined);
    await until(async () => this.ask('SELECT 1').then(() => true), {
      timeoutMs: READY_MS_MAX,
      what: 'the standby to answer',
    });
  }

  /** Resolves when it has everything up to a position in the log of its primary. */
  async untilAt(lsn: string): Promise<void> {
    const statement = 'SELECT pg_last_wal_replay_lsn() >= $1::pg_lsn AS there';
    const isThere = async (): Promise<boolean> => (await this.ask(statement, [lsn]))[0]?.['there'] === true;
    await until(isThere, { timeoutMs: READY_MS_MAX, what: 'the standby to catch up' });
  }

  /** Cuts it off from its primary. */
  async fallBehind(): Promise<void> {
    await this.ask(`ALTER SYSTEM SET primary_conninfo = ''`);
    await this.ask('SELECT pg_reload_conf()');
    const isCut = async (): Promise<boolean> =>
      (await this.ask('SELECT FROM pg_stat_wal_receiver')).length === 0;
    await until(isCut, { timeoutMs: READY_MS_MAX, what: 'the standby to be cut off' });
  }

  /** Makes it a primary. */
  async promote(): Promise<void> {
    await this.ask('SELECT pg_promote()');
    const isPrimary = async (): Promise<boolean> =>
      (await this.ask('SELECT pg_is_in_recovery() AS standby'))[0]?.['standby'] === false;
    await until(isPrimary, { timeoutMs: READY_MS_MAX, what: 'the standby to be promoted' });
  }

  /** Ends it. It may be called again. */
  async stop(): Promise<void> {
    const pid = this.child?.pid;
    if (pid === undefined || this.child?.exitCode !== null) return;
    this.child.kill('SIGINT');
    await untilEnded(pid);
  }

  private ask(statement: string, parameters: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    const url = new URL(this.primaryUrl);
    url.port = String(this.port);
    return runStatement(url.href, statement, parameters);
  }
}
