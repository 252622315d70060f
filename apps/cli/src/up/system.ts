/**
 * The processes of one local system, and the order in which they start and stop.
 *
 *   start   brokers ‖ Postgres ─▶ setup ─▶ gateways ‖ workers ‖ accounts ─▶ supervised
 *   stop    gateways ─▶ workers ‖ accounts (they drain) ─▶ brokers ─▶ Postgres
 *
 * `stop` leaves none of them running, at whatever moment it is called. It takes at most the sum of the budgets below:
 * each group is asked to end, and killed when its time is up.
 */
import { join } from 'node:path';
import { streamFields } from '#config';
import {
  ManagedProcess,
  startBrokers,
  startPostgres,
  type BrokerNode,
  type PostgresServer,
} from '#local-cluster';
import { PROGRAM_ENVIRONMENT, WORKER_HEAP_ARGUMENTS } from '#observability';
import { Application, runToEnd } from './application.js';
import { metricsPort, type PortPlan } from './plan.js';
import type { ReadyReport, Reporter } from './reporter.js';
import { Supervisor } from './supervisor.js';

const GATEWAYS_STOP_MS = 4_000;
const WORKERS_STOP_MS = 5_000;
const BROKERS_STOP_MS = 3_000;
const POSTGRES_STOP_MS = 2_000;
const POSTGRES_KILL_MS = 1_000;

/** The scripts of our own programs. */
export interface ApplicationScripts {
  readonly setup: string;
  readonly gateway: string;
  readonly worker: string;
  readonly accounts: string;
  /** Creates what the accounts need. */
  readonly accountsSetup: string;
}

/** Everything that a system consists of. */
export interface SystemOptions {
  readonly dataDirectory: string;
  readonly logDirectory: string;
  readonly ports: PortPlan;
  readonly nodes: number;
  readonly workers: number;
  /** Whether the example service of accounts runs as well. */
  readonly withAccounts: boolean;
  readonly syncInterval: string | undefined;
  readonly natsServerBinary: string | undefined;
  readonly postgresBinDirectory: string | undefined;
  readonly scripts: ApplicationScripts;
  /** The environment variables of the programs; the addresses of the other parts are added. */
  readonly environment: NodeJS.ProcessEnv;
  /** Receives the pids of all running processes whenever one has been started. */
  readonly onPids: (pids: Record<string, number>) => void;
}

/** One local system. */
export class LocalSystem {
  private brokers: readonly BrokerNode[] = [];
  private streamBytesMax: number | undefined;
  private postgres: PostgresServer | undefined;
  private setup: ManagedProcess | undefined;
  private gateways: Application[] = [];
  private workers: Application[] = [];
  private accounts: Application | undefined;
  private readonly supervisor: Supervisor;

  constructor(
    private readonly options: SystemOptions,
    private readonly reporter: Reporter,
  ) {
    this.supervisor = new Supervisor(reporter);
  }

  /** Starts everything and resolves when all of it works. When it throws, some parts may still run: call `stop`. */
  async start(signal: AbortSignal): Promise<ReadyReport> {
    await settleTogether(signal, [
      (together) => this.startBrokers(together),
      (together) => this.startPostgres(together),
    ]);
    await this.runSetup('setup', this.options.scripts.setup, 'schema, stream and consumer', signal);
    this.gateways = this.options.ports.gateways.map((port, index) =>
      this.application('gateway', index, { SEKALI_HTTP_PORT: String(port) }),
    );
    this.workers = Array.from({ length: this.options.workers }, (_, index) =>
      this.application('worker', index),
    );
    if (this.options.withAccounts) {
      const { accountsSetup } = this.options.scripts;
      await this.runSetup('accounts-setup', accountsSetup, 'tables and consumer', signal);
      this.accounts = this.application('accounts', 0, { SEKALI_PAYMENTS_PORT: '0' });
    }
    const applications = this.applications;
    await settleTogether(
      signal,
      applications.map((one) => (together) => this.startApplication(one, together)),
    );
    return this.report();
  }

  /** Stops everything in order. */
  async stop(): Promise<void> {
    this.supervisor.close();
    await this.setup?.stop({ timeoutMs: 0 });
    await Promise.all(this.gateways.map((one) => one.stop({ timeoutMs: GATEWAYS_STOP_MS })));
    const draining = [...this.workers, ...(this.accounts ? [this.accounts] : [])];
    await Promise.all(draining.map((one) => one.stop({ timeoutMs: WORKERS_STOP_MS })));
    await Promise.all(this.brokers.map((one) => one.stop({ timeoutMs: BROKERS_STOP_MS })));
    await this.postgres?.stop('fast', { timeoutMs: POSTGRES_STOP_MS });
  }

  /** Ends everything at once. Postgres gets a moment, because after a SIGKILL it would leave shared memory behind. */
  async kill(): Promise<void> {
    this.supervisor.close();
    const others = [this.setup, ...[...this.applications, ...this.brokers].map((one) => one.process)];
    await Promise.all([
      ...others.map((one) => one?.stop({ signal: 'SIGKILL', timeoutMs: POSTGRES_KILL_MS })),
      this.postgres?.stop('immediate', { timeoutMs: POSTGRES_KILL_MS }),
    ]);
  }

  /** The pids of the running processes, by name. */
  get pids(): Record<string, number> {
    const processes = [
      ...this.brokers.map((one) => one.process),
      this.postgres?.process,
      this.setup,
      ...this.applications.map((one) => one.process),
    ];
    return Object.fromEntries(
      processes.flatMap((one) => (one?.pid === undefined ? [] : [[one.name, one.pid]])),
    );
  }

  private async startBrokers(signal: AbortSignal): Promise<void> {
    const { nodes } = this.options;
    this.reporter.progress('brokers', `0 of ${nodes} healthy`);
    const cluster = await startBrokers({
      dataDirectory: this.options.dataDirectory,
      logDirectory: this.options.logDirectory,
      nodes,
      clientPorts: this.options.ports.brokers,
      serverBinary: this.options.natsServerBinary,
      syncInterval: this.options.syncInterval,
      withPassword: true,
      signal,
      onProgress: (healthy) => this.reporter.progress('brokers', `${healthy} of ${nodes} healthy`),
      onNodes: (brokers) => {
        this.brokers = brokers;
        for (const broker of brokers) this.record(broker.process);
      },
    });
    for (const broker of cluster.nodes) this.supervisor.watch(broker);
    this.streamBytesMax = this.boundStream(cluster.streamBytesMax);
    this.reporter.done(
      'brokers',
      nodes === 1 ? '1 node' : `${nodes} nodes, ${(await cluster.metaLeader()) ?? 'one of them'} leads`,
    );
  }

  /** The bytes that the stream may hold: what was asked for, unless the disk is full before that. */
  private boundStream(roomBytes: number): number | undefined {
    const text = this.options.environment['SEKALI_STREAM_BYTES_MAX'];
    const askedBytes =
      text === undefined ? streamFields.SEKALI_STREAM_BYTES_MAX.parse(undefined) : Number(text);
    // Setup refuses what is not a number, in its own words.
    if (!(askedBytes > roomBytes)) return undefined;
    this.reporter.notice(
      `The stream may hold ${megabytes(roomBytes)} instead of ${megabytes(askedBytes)}, because its disk has no room for more.`,
    );
    return roomBytes;
  }

  private async startPostgres(signal: AbortSignal): Promise<void> {
    this.reporter.progress('postgres');
    const server = await startPostgres({
      dataDirectory: join(this.options.dataDirectory, 'postgres'),
      logDirectory: this.options.logDirectory,
      port: this.options.ports.postgres,
      binDirectory: this.options.postgresBinDirectory,
      signal,
      onServer: (made) => {
        this.postgres = made;
        this.record(made.process);
      },
    });
    this.supervisor.watch(server);
    this.reporter.done('postgres', `port ${server.port}`);
  }

  private get applications(): Application[] {
    return [...this.gateways, ...this.workers, ...(this.accounts ? [this.accounts] : [])];
  }

  /** Runs a program that prepares something, and ends. */
  private async runSetup(name: string, script: string, what: string, signal: AbortSignal): Promise<void> {
    this.reporter.progress(name);
    this.setup = new ManagedProcess({
      name,
      command: process.execPath,
      args: [script],
      environment: this.environment(),
      logFile: join(this.options.logDirectory, `${name}.log`),
      channel: true,
    });
    this.record(this.setup);
    await runToEnd(this.setup, signal);
    this.reporter.done(name, what);
  }

  private application(
    kind: 'gateway' | 'worker' | 'accounts',
    index: number,
    extra: NodeJS.ProcessEnv = {},
  ): Application {
    const name = kind === 'accounts' ? kind : `${kind}-${index + 1}`;
    const { ports, workers } = this.options;
    const before = { gateway: 0, worker: ports.gateways.length, accounts: ports.gateways.length + workers }[
      kind
    ];
    const metrics = metricsPort(this.options.environment['SEKALI_METRICS_PORT'], before + index);
    const application = new Application({
      name,
      script: this.options.scripts[kind],
      ...(kind === 'worker' && { nodeArguments: WORKER_HEAP_ARGUMENTS }),
      environment: { ...this.environment(), SEKALI_METRICS_PORT: metrics, ...extra },
      logFile: join(this.options.logDirectory, `${name}.log`),
    });
    this.record(application.process);
    return application;
  }

  private async startApplication(application: Application, signal: AbortSignal): Promise<void> {
    this.reporter.progress(application.name);
    await application.spawn();
    await application.untilReady({ signal });
    await application.untilServing({ signal });
    this.supervisor.watch(application);
    this.reporter.done(application.name, application.url);
  }

  private environment(): NodeJS.ProcessEnv {
    return {
      ...PROGRAM_ENVIRONMENT,
      ...this.options.environment,
      SEKALI_NATS_URLS: this.brokers.map((broker) => broker.url).join(','),
      SEKALI_POSTGRES_URL: this.postgres?.url,
      // It is reached on this machine, without TLS.
      SEKALI_POSTGRES_CA_FILE: undefined,
      SEKALI_HTTP_HOST: '127.0.0.1',
      SEKALI_STREAM_REPLICAS: String(this.options.nodes),
      ...(this.streamBytesMax !== undefined && { SEKALI_STREAM_BYTES_MAX: String(this.streamBytesMax) }),
    };
  }

  private record(process: ManagedProcess): void {
    process.onStart(() => this.options.onPids(this.pids));
  }

  private report(): ReadyReport {
    const gateways = this.gateways.map(
      (one, index) => one.url ?? `http://127.0.0.1:${this.options.ports.gateways[index]}`,
    );
    return {
      gateway: gateways[0] as string,
      ...(gateways.length > 1 && { gateways }),
      ...(this.accounts?.url !== undefined && { accounts: this.accounts.url }),
      nats: this.brokers.map((broker) => broker.url),
      postgres: this.postgres?.url as string,
      data: this.options.dataDirectory,
      pids: this.pids,
    };
  }
}

function megabytes(bytes: number): string {
  return `${Math.floor(bytes / 1e6).toLocaleString('en')} MB`;
}

/** Runs all together. The first failure makes the others give up, and all have ended when it throws. */
async function settleTogether(
  signal: AbortSignal,
  tasks: readonly ((signal: AbortSignal) => Promise<void>)[],
): Promise<void> {
  const failure = new AbortController();
  const together = AbortSignal.any([signal, failure.signal]);
  const running = tasks.map((task) =>
    task(together).catch((error: unknown) => {
      failure.abort(error);
    }),
  );
  await Promise.all(running);
  signal.throwIfAborted();
  failure.signal.throwIfAborted();
}
