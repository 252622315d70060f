import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import pg from 'pg';
import { type LocalClusterSettings, readLocalClusterSettings, systemEnvironment } from '#config';
import {
  type BrokerCluster,
  type BrokerNode,
  findRepositoryRoot,
  ManagedProcess,
  type PostgresServer,
  startBrokers,
  startPostgres,
} from '#local-cluster';
import { PROGRAM_ENVIRONMENT, WORKER_HEAP_ARGUMENTS } from '#observability';
import { MemoryBound } from './memory-bound.js';
import { canReadProcessorTime, processorMs, type ProcessorMs } from './processor-time.js';
import { Program } from './program.js';

const SETUP_MS_MAX = 120_000;
const REMOVE_RETRIES_MAX = 10;

/** How to start an environment. */
export interface EnvironmentOptions {
  /** Where its folder is created; the system's temporary directory when left out. */
  readonly folder?: string | undefined;
  /** How often the brokers call fsync: "always", or a duration such as "1s"; their own default when left out. */
  readonly syncInterval?: string | undefined;
  /** Ends the start of the environment or of a program with an error: the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** Environment variables of a program. */
export type ProgramVariables = Readonly<Record<string, string>>;

/** The parts of a running environment. */
interface EnvironmentParts {
  readonly folder: string;
  readonly brokers: BrokerCluster;
  readonly postgres: PostgresServer;
  readonly signal: AbortSignal | undefined;
}

/**
 * The ephemeral system that everything is measured in: three brokers and one Postgres, set up, with the programs that a
 * measurement starts.
 *
 *   start  brokers ‖ Postgres ─▶ setup          stop  programs ─▶ brokers ‖ Postgres ─▶ folder
 *
 * All data is in one temporary folder. After `stop`, or after a start that failed, neither a process nor a file is
 * left. Programs run with the defaults of the settings. A `.env` or a SEKALI_ variable of the user only changes which
 * binaries are used.
 */
export class Environment {
  /** Where the parts are, for a program: SEKALI_NATS_URLS, SEKALI_POSTGRES_URL, SEKALI_HTTP_HOST. */
  readonly variables: ProgramVariables;
  private readonly programs = new Set<ManagedProcess>();
  private readonly databases = new Set<string>();
  private stopped: Promise<void> | undefined;
  private memory: MemoryBound | undefined;

  private constructor(private readonly parts: EnvironmentParts) {
    this.variables = {
      SEKALI_NATS_URLS: this.natsUrls.join(','),
      SEKALI_POSTGRES_URL: this.postgresUrl,
      SEKALI_HTTP_HOST: '127.0.0.1',
    };
  }

  /** Starts brokers and Postgres and runs setup on them. Leaves nothing behind when it throws. */
  static async start(options: EnvironmentOptions = {}): Promise<Environment> {
    const binaries = readLocalClusterSettings();
    const place = options.folder ?? realpathSync(tmpdir());
    mkdirSync(place, { recursive: true });
    const folder = mkdtempSync(join(place, 'sekali-bench-'));
    // When root runs the benchmark, Postgres runs as another user.
    chmodSync(folder, 0o755);
    let environment: Environment | undefined;
    try {
      environment = new Environment(await startParts(folder, binaries, options));
      await environment.setUp(environment.postgresUrl);
      return environment;
    } catch (error) {
      await environment?.stop();
      removeFolder(folder);
      throw error;
    }
  }

  /** One URL per broker. */
  get natsUrls(): readonly string[] {
    return this.parts.brokers.urls;
  }

  /** The brokers, in the order of their URLs. */
  get brokers(): readonly BrokerNode[] {
    return this.parts.brokers.nodes;
  }

  /** The URL of the database that setup has prepared, as superuser. */
  get postgresUrl(): string {
    return this.parts.postgres.url;
  }

  /** The folder of the logs and of what a measurement keeps while it is running. */
  get folder(): string {
    return this.parts.folder;
  }

  /**
   * Starts a program and resolves when it has reported `{ type: 'ready' }`. It is stopped with the environment at the
   * latest.
   *
   * @param name its name in messages and of its log; a name may be used again when the program has ended
   * @param script a JavaScript file, from `dist/apps`: `worker/src/main.js`
   * @param variables added to where the parts are, and stronger
   * @throws when the program ends first or is not ready within a minute, with its last lines
   */
  async startProgram(
    name: string,
    script: string,
    args: readonly string[] = [],
    variables: ProgramVariables = {},
  ): Promise<Program> {
    this.parts.signal?.throwIfAborted();
    if (this.stopped !== undefined)
      throw new Error(`${name} is not started, because the environment was stopped.`);
    const managed = this.processOf(name, script, args, variables);
    this.programs.add(managed);
    managed.onExit(() => this.programs.delete(managed));
    return Program.start(managed, this.parts.signal);
  }

  /**
   * A separate database on the same server, set up. The same name gives the same database.
   *
   * @returns its URL, and whether this call created it
   */
  async database(name: string): Promise<{ readonly url: string; readonly isNew: boolean }> {
    const { href: url } = Object.assign(new URL(this.postgresUrl), { pathname: `/${name}` });
    const isNew = !this.databases.has(name);
    if (isNew) {
      await this.createDatabase(name);
      await this.setUp(url);
      this.databases.add(name);
    }
    return { url, isNew };
  }

  /**
   * Processor time used up to now, without a program when `program` is left out. Undefined on systems without this
   * figure.
   */
  processorMs(program?: Program): ProcessorMs | undefined {
    if (!canReadProcessorTime) return undefined;
    const of = (pid: number | undefined): number => (pid === undefined ? 0 : processorMs(pid));
    const { brokers, postgres } = this.parts;
    return {
      program: of(program?.process.pid),
      postgres: of(postgres.pid),
      brokers: brokers.nodes.reduce((sum, node) => sum + of(node.pid), 0),
    };
  }

  /**
   * Puts Postgres into a group whose memory can be bounded. The first call should come before Postgres has filled its
   * tables, since what it has read before is not in the group.
   *
   * @returns the group without a bound, the same at each call; `undefined` where this machine does not allow one
   */
  postgresMemory(): MemoryBound | undefined {
    const { pid } = this.parts.postgres;
    if (this.memory !== undefined || pid === undefined) return this.memory;
    this.memory = MemoryBound.create(`sekali-bench-${process.pid}`);
    this.memory?.adopt(pid);
    return this.memory;
  }

  /** Stops everything and removes the folder. A second call waits for the same end. */
  async stop(): Promise<void> {
    this.stopped ??= this.stopAll();
    await this.stopped;
  }

  private async stopAll(): Promise<void> {
    await Promise.all([...this.programs].map((program) => program.stop({ timeoutMs: 0 })));
    await Promise.all([this.parts.brokers.stop(), this.parts.postgres.stop('immediate')]);
    await this.memory?.remove();
    removeFolder(this.parts.folder);
  }

  private async createDatabase(name: string): Promise<void> {
    const client = new pg.Client({ connectionString: this.postgresUrl });
    await client.connect();
    try {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(name)}`);
    } finally {
      await client.end();
    }
  }

  private async setUp(postgresUrl: string): Promise<void> {
    const setup = this.processOf('setup', 'setup/src/main.js', [], { SEKALI_POSTGRES_URL: postgresUrl });
    const exit = await setup.runToEnd({ timeoutMs: SETUP_MS_MAX, signal: this.parts.signal });
    if (exit?.code !== 0) throw new Error(`setup failed:\n  ${setup.logTail(5).join('\n  ')}`);
  }

  private processOf(
    name: string,
    script: string,
    args: readonly string[],
    variables: ProgramVariables,
  ): ManagedProcess {
    // As `up` and Compose start it.
    const nodeArguments = script === 'worker/src/main.js' ? WORKER_HEAP_ARGUMENTS : [];
    return new ManagedProcess({
      name,
      command: process.execPath,
      args: [...nodeArguments, resolve(findRepositoryRoot(), 'dist/apps', script), ...args],
      environment: { ...PROGRAM_ENVIRONMENT, ...inheritedVariables(), ...this.variables, ...variables },
      logFile: join(this.parts.folder, 'logs', `${name}.log`),
      workingDirectory: this.parts.folder,
      channel: true,
    });
  }
}

async function startParts(
  folder: string,
  binaries: LocalClusterSettings,
  { syncInterval, signal }: EnvironmentOptions,
): Promise<EnvironmentParts> {
  const logDirectory = join(folder, 'logs');
  const [brokers, postgres] = await Promise.allSettled([
    startBrokers({
      dataDirectory: join(folder, 'brokers'),
      logDirectory,
      nodes: 3,
      serverBinary: binaries.SEKALI_NATS_SERVER,
      syncInterval,
      signal,
    }),
    startPostgres({
      dataDirectory: join(folder, 'postgres'),
      logDirectory,
      binDirectory: binaries.SEKALI_POSTGRES_BIN,
      signal,
    }),
  ]);
  if (brokers.status === 'fulfilled' && postgres.status === 'fulfilled') {
    return { folder, brokers: brokers.value, postgres: postgres.value, signal };
  }
  if (brokers.status === 'fulfilled') await brokers.value.stop();
  if (postgres.status === 'fulfilled') await postgres.value.stop('immediate');
  throw brokers.status === 'rejected' ? brokers.reason : (postgres as PromiseRejectedResult).reason;
}

/**
 * Our environment without our settings and without flags of this Node process, which are not meant for the subjects.
 */
function inheritedVariables(): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(systemEnvironment()).filter(
      ([name]) => !name.startsWith('SEKALI_') && name !== 'NODE_OPTIONS',
    ),
  );
}

function removeFolder(folder: string): void {
  rmSync(folder, { recursive: true, force: true, maxRetries: REMOVE_RETRIES_MAX });
}
