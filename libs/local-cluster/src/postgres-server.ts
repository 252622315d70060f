/**
 * A real Postgres on this machine, bound to 127.0.0.1.
 *
 * After a start, `url` leads to an existing database. A server that was killed recovers at its next start, with the
 * same port and password. fsync is on unless the caller turns it off. A start fails with one `LocalClusterError` and
 * then leaves no process behind.
 */
import { mkdirSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { isLoginRefused } from '#postgres';
import { pause, poll } from '#waiting';
import { findPostgres, type PostgresBinaries } from './binaries.js';
import { drawFreePorts } from './free-port.js';
import { LocalClusterError } from './local-cluster-error.js';
import { ManagedProcess, type ProcessExit } from './managed-process.js';
import { choosePostgresAccount, type PostgresAccount } from './postgres-account.js';
import { preparePostgresData } from './postgres-data.js';

const START_TIMEOUT_MS = 60_000;
const CONNECT_TIMEOUT_MS = 2_000;
const STOP_TIMEOUT_MS = 10_000;
const GIVE_UP_TIMEOUT_MS = 3_000;
const PORT_ATTEMPTS_MAX = 5;
const LINGER_INTERVAL_MS = 100;
const STOP_SIGNALS = { smart: 'SIGTERM', fast: 'SIGINT', immediate: 'SIGQUIT' } as const;

/** How Postgres stops: `smart` waits for clients, `fast` disconnects them, `immediate` recovers at the next start. */
export type PostgresStopMode = keyof typeof STOP_SIGNALS;

/** How to start Postgres. */
export interface PostgresOptions {
  /** Postgres's own data directory. It is created when missing, and used again when it exists. */
  readonly dataDirectory: string;
  /** Port on 127.0.0.1; a free one is drawn when left out. */
  readonly port?: number | undefined;
  /** A directory with initdb and postgres; npm's when left out. */
  readonly binDirectory?: string | undefined;
  /** The default is "sekali". */
  readonly superuser?: string;
  /** It is created when missing. The default is "sekali". */
  readonly database?: string;
  /** Server settings, such as `{ fsync: 'off' }` in a test. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The default is `logs` next to the data directory. */
  readonly logDirectory?: string;
  /** The default is 60 s, because a server recovers first after a crash. */
  readonly timeoutMs?: number;
  /** Ends the start, stops what runs, and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the server before it is started, so that the caller sees every start. */
  readonly onServer?: (server: PostgresServer) => void;
}

interface ReadyOptions {
  readonly timeoutMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Creates the data directory if need be, starts Postgres on it and resolves when its database can be used. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const dataDirectory = resolve(options.dataDirectory);
  const logDirectory = resolve(options.logDirectory ?? join(dirname(dataDirectory), 'logs'));
  const binaries = findPostgres(options.binDirectory);
  mkdirSync(dirname(dataDirectory), { recursive: true });
  const account = await choosePostgresAccount(binaries.postgres, dirname(dataDirectory));
  const superuser = options.superuser ?? 'sekali';
  const sync = options.settings?.['fsync'] !== 'off';
  const password = await preparePostgresData({
    dataDirectory,
    logDirectory,
    binaries,
    account,
    superuser,
    sync,
    signal: options.signal,
  });
  const server = new PostgresServer(
    { ...options, dataDirectory, logDirectory },
    { binaries, account, superuser, password },
  );
  options.onServer?.(server);
  for (let attempt = 1; ; attempt += 1) {
    await server.usePort(options.port);
    try {
      await server.start(options);
      return server;
    } catch (error) {
      const portLost = server.process.logTail().some((line) => line.includes('Address already in use'));
      await server.stop('immediate', { timeoutMs: GIVE_UP_TIMEOUT_MS });
      options.signal?.throwIfAborted();
      if (portLost && options.port !== undefined)
        throw new LocalClusterError(`Port ${options.port} for Postgres is in use.`);
      if (!portLost || attempt === PORT_ATTEMPTS_MAX) throw error;
    }
  }
}

/** One Postgres server that can be stopped, killed and started again with its data. `startPostgres` creates it. */
export class PostgresServer {
  readonly name = 'postgres';
  readonly dataDirectory: string;
  /** The process itself, for a supervisor to watch. */
  readonly process: ManagedProcess;
  private currentPort = 0;
  private readonly database: string;
  private readonly settings: Readonly<Record<string, string>>;

  constructor(
    options: PostgresOptions & { readonly logDirectory: string },
    private readonly made: {
      readonly binaries: PostgresBinaries;
      readonly account: PostgresAccount;
      readonly superuser: string;
      readonly password: string;
    },
  ) {
    this.dataDirectory = options.dataDirectory;
    this.database = options.database ?? 'sekali';
    this.settings = options.settings ?? {};
    const { command, args, user } = made.account.command(made.binaries.postgres, []);
    this.process = new ManagedProcess({
      name: this.name,
      command,
      args,
      logFile: join(options.logDirectory, 'postgres.log'),
      workingDirectory: '/',
      ...(user && { user }),
    });
  }

  get port(): number {
    return this.currentPort;
  }
  /** Undefined while it is not running. */
  get pid(): number | undefined {
    return this.process.pid;
  }
  /** Resolves when the present run ends; undefined while it is not running. */
  get exited(): Promise<ProcessExit> | undefined {
    return this.process.exited;
  }
  /** The URL for clients, with user, password and database. */
  get url(): string {
    return this.urlOf(this.database);
  }

  /** Sets the port of the next start; undefined draws a free one. */
  async usePort(port: number | undefined): Promise<void> {
    this.currentPort = port ?? ((await drawFreePorts(1))[0] as number);
  }

  /** Starts the process and waits for the process only. */
  async spawn(): Promise<number> {
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: String(this.port),
      ...this.settings,
    };
    const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
    const { args } = this.made.account.command(this.made.binaries.postgres, [
      '-D',
      this.dataDirectory,
      ...flags,
    ]);
    return this.process.start({ args });
  }

  /**
   * Starts it and resolves when its database can be used. Throws `LocalClusterError` when it ends or takes too long.
   * After SIGKILL the old server's children block a new one for a moment, so the start is retried.
   */
  async start({ timeoutMs = START_TIMEOUT_MS, signal }: ReadyOptions = {}): Promise<void> {
    const endsAt = performance.now() + timeoutMs;
    for (;;) {
      await this.spawn();
      try {
        await this.untilReady({ timeoutMs: Math.max(0, endsAt - performance.now()), signal });
        return;
      } catch (error) {
        if (this.pid !== undefined || !this.predecessorLingers() || performance.now() >= endsAt) throw error;
        await pause(LINGER_INTERVAL_MS);
      }
    }
  }

  /** Resolves when the running server's database can be used. Throws `LocalClusterError` as `start` does. */
  async untilReady({ timeoutMs = START_TIMEOUT_MS, signal }: ReadyOptions = {}): Promise<void> {
    const ready = await poll(
      async () => {
        if (this.pid === undefined) throw this.failure('ended while it started');
        return (await this.ensureDatabase()) || undefined;
      },
      { timeoutMs, signal, intervalMs: 30 },
    );
    if (!ready) throw this.failure(`takes no connections after ${timeoutMs / 1_000} s`);
  }

  /** Stops it and resolves when it has ended. It is killed when that takes longer than `timeoutMs`. */
  async stop(
    mode: PostgresStopMode = 'fast',
    { timeoutMs = STOP_TIMEOUT_MS }: { timeoutMs?: number } = {},
  ): Promise<void> {
    await this.process.stop({ signal: STOP_SIGNALS[mode], timeoutMs });
  }

  /** SIGKILL ends the main process at once; its own children notice and end. Returns false when it is not running. */
  kill(signal: NodeJS.Signals): boolean {
    return this.process.kill(signal);
  }

  /** An error about this server with the end of its log. */
  failure(what: string): LocalClusterError {
    const tail = this.process.logTail();
    const last =
      tail.findLast((line) => /FATAL|ERROR|PANIC|error/.test(line)) ?? tail.at(-1) ?? 'it wrote nothing';
    return new LocalClusterError(`Postgres ${what}: ${last.trim()} (log: ${this.process.logFile})`, tail);
  }

  private predecessorLingers(): boolean {
    return this.process
      .logTail()
      .some((line) =>
        /pre-existing shared memory block|lock file "postmaster.pid" already exists/.test(line),
      );
  }

  private async ensureDatabase(): Promise<boolean> {
    const client = new pg.Client({
      connectionString: this.urlOf('postgres'),
      ssl: false,
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    });
    client.on('error', () => undefined);
    try {
      await client.connect();
      const { rowCount } = await client.query('SELECT FROM pg_database WHERE datname = $1', [this.database]);
      if (rowCount === 0) await client.query(`CREATE DATABASE ${pg.escapeIdentifier(this.database)}`);
      return true;
    } catch (error) {
      if (isLoginRefused(error))
        throw new LocalClusterError(
          `Postgres on port ${this.port} refuses ${this.made.superuser}: ${(error as Error).message}.`,
        );
      return false;
    } finally {
      await client.end().catch(() => undefined);
    }
  }

  private urlOf(database: string): string {
    const { superuser, password } = this.made;
    return `postgres://${encodeURIComponent(superuser)}:${encodeURIComponent(password)}@127.0.0.1:${this.port}/${encodeURIComponent(database)}`;
  }
}
