/** One nats-server process of a cluster, with its own ports, configuration file and store. */
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { poll } from '#waiting';
import { isHealthy, readJetStreamState } from './broker-health.js';
import { BROKER_USER, renderBrokerConfig, type BrokerConfig } from './broker-config.js';
import { formerFileStoreBytes, freeBytes } from './disk-room.js';
import { LocalClusterError } from './local-cluster-error.js';
import { MetaLayer } from './meta-layer.js';
import { ManagedProcess, type ProcessExit } from './managed-process.js';

const HEALTHY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 10_000;

const READING_MS_MAX = 300_000;
/** With less, the disk would be full again at once. */
const RESTART_BYTES_MIN = 32 * 1024 ** 2;

/** What is wrong with a component that runs but does not work. */
export interface ComponentFault {
  /** The text after the component's name: "has switched JetStream off". */
  readonly what: string;
  /** What a person has to do first. It is left out where a restart is enough. */
  readonly remedy?: string;
}

/** Ports of one node on 127.0.0.1. */
export interface BrokerPorts {
  readonly clientPort: number;
  readonly monitorPort: number;
  readonly routePort: number;
}

/** The options that a node keeps through every restart. */
export interface BrokerNodeOptions {
  /** The name of the node in the cluster, of its folder and of its log: "nats-1". */
  readonly name: string;
  readonly serverBinary: string;
  readonly dataDirectory: string;
  readonly logFile: string;
  /**
   * Asked before each start. It resolves when the node may start, and throws when the signal aborts. Without it, every
   * start is immediate.
   */
  readonly awaitTurn?: (node: BrokerNode, signal: AbortSignal) => Promise<void>;
}

/** A broker that can be stopped, killed, paused and started again with its data. */
export class BrokerNode {
  readonly name: string;
  readonly dataDirectory: string;
  /** The process itself, for a supervisor to watch. */
  readonly process: ManagedProcess;
  private readonly metaLayer: MetaLayer;
  private readonly awaitTurn: BrokerNodeOptions['awaitTurn'];
  private waiting = new AbortController();
  private spawnedMs = 0;
  private enabledPid: number | undefined;
  private password: string | undefined;
  private ports: BrokerPorts = { clientPort: 0, monitorPort: 0, routePort: 0 };

  constructor(options: BrokerNodeOptions) {
    this.name = options.name;
    this.dataDirectory = options.dataDirectory;
    this.metaLayer = new MetaLayer(this.storeDirectory);
    this.awaitTurn = options.awaitTurn;
    this.process = new ManagedProcess({
      name: options.name,
      command: options.serverBinary,
      args: ['--config', this.configFile],
      logFile: options.logFile,
      workingDirectory: options.dataDirectory,
    });
  }

  get clientPort(): number {
    return this.ports.clientPort;
  }
  get monitorPort(): number {
    return this.ports.monitorPort;
  }
  get routePort(): number {
    return this.ports.routePort;
  }
  /** The URL for clients, with user and password where they need them. */
  get url(): string {
    const signIn = this.password === undefined ? '' : `${BROKER_USER}:${encodeURIComponent(this.password)}@`;
    return `nats://${signIn}127.0.0.1:${this.clientPort}`;
  }
  /** Undefined while it is not running. */
  get pid(): number | undefined {
    return this.process.pid;
  }
  /** Resolves when the present run ends; undefined while it is not running. */
  get exited(): Promise<ProcessExit> | undefined {
    return this.process.exited;
  }

  /** The folder of its messages. */
  get storeDirectory(): string {
    return join(this.dataDirectory, 'store');
  }

  /** Whether it has nothing on disk, because it never ran or lost its disk. */
  get isEmpty(): boolean {
    return !this.metaLayer.exists;
  }

  /**
   * Copies another node's knowledge of the cluster's streams while this node is down. @returns whether there was any
   */
  adoptLog(other: BrokerNode): boolean {
    return this.metaLayer.adopt(other.metaLayer);
  }

  /** Writes the configuration file for the next start. This never lowers the bound of the file store. */
  configure(config: Omit<BrokerConfig, 'serverName' | 'storeDirectory'>): void {
    this.ports = {
      clientPort: config.clientPort,
      monitorPort: config.monitorPort,
      routePort: config.routePort,
    };
    this.password = config.password;
    mkdirSync(this.dataDirectory, { recursive: true, mode: 0o700 });
    const { storeDirectory, name: serverName } = this;
    const fileStoreBytesMax = Math.max(config.fileStoreBytesMax, formerFileStoreBytes(this.configFile));
    const text = renderBrokerConfig({ ...config, serverName, storeDirectory, fileStoreBytesMax });
    // Writing to an existing file would not change its mode.
    rmSync(this.configFile, { force: true });
    writeFileSync(this.configFile, text, { mode: 0o600 });
  }

  /**
   * Starts the process and waits for the process only. If a full disk cost the node its knowledge of the cluster's
   * streams, that is restored first; a failure of that throws. An empty node waits for its turn (empty-brokers.ts), and
   * throws when it is stopped meanwhile.
   */
  async spawn(): Promise<number> {
    if (this.pid === undefined) this.metaLayer.restore();
    this.waiting = new AbortController();
    await this.awaitTurn?.(this, this.waiting.signal);
    this.spawnedMs = performance.now();
    return this.process.start();
  }

  /**
   * Starts it again and resolves when it is healthy, which needs a majority of the cluster. So start several stopped
   * nodes at once, not one after the other. It throws `LocalClusterError` when the node ends or is not healthy in time.
   */
  async start(options: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    await this.spawn();
    await this.untilReady(options);
  }

  /** Resolves when the running node is healthy. It throws `LocalClusterError` when the node ends or the time is up. */
  async untilReady({
    timeoutMs = HEALTHY_TIMEOUT_MS,
    signal,
  }: { timeoutMs?: number; signal?: AbortSignal } = {}): Promise<void> {
    const healthy = await poll(
      async () => {
        if (this.pid === undefined) throw this.failure('ended while it started');
        return (await isHealthy(this.monitorPort)) || undefined;
      },
      { timeoutMs, signal },
    );
    if (!healthy) throw this.failure(`is not healthy after ${timeoutMs / 1_000} s`);
  }

  /**
   * The fault of a running node; undefined when there is none. A node that restarts on a full disk ends at once, or
   * forgets its streams. So it is left alone until there is room.
   */
  async fault(): Promise<ComponentFault | undefined> {
    const { pid } = this;
    const state = await readJetStreamState(this.monitorPort);
    if (state === 'on' || state === 'broken') this.enabledPid = pid;
    if (state === 'on') this.metaLayer.keep();
    // JetStream is not on while the node reads a large store.
    const isReading = this.enabledPid !== pid && performance.now() - this.spawnedMs < READING_MS_MAX;
    if (pid === undefined || isReading || (state !== 'off' && state !== 'broken')) return undefined;
    const what =
      state === 'off'
        ? 'has switched JetStream off, as after a full disk'
        : 'has a stream that failed to write';
    // The store may have a disk of its own.
    const directory = existsSync(this.storeDirectory) ? this.storeDirectory : this.dataDirectory;
    return freeBytes(directory) >= RESTART_BYTES_MIN
      ? { what }
      : { what, remedy: `make room on the disk of ${directory}` };
  }

  /** Stops it gracefully: it first hands over leadership. Resolves when the process has ended. */
  async stop({ timeoutMs = STOP_TIMEOUT_MS }: { timeoutMs?: number } = {}): Promise<void> {
    this.waiting.abort(new LocalClusterError(`${this.name} was stopped before it was started.`));
    await this.process.stop({ timeoutMs });
  }

  /** SIGKILL ends it at once, SIGSTOP pauses it and SIGCONT resumes it. Returns false when it is not running. */
  kill(signal: NodeJS.Signals): boolean {
    return this.process.kill(signal);
  }

  /** An error about this node with the end of its log. */
  failure(what: string): LocalClusterError {
    const tail = this.process.logTail();
    const last =
      tail.findLast((line) => /\[(FTL|ERR)\]|^nats-server:/.test(line)) ?? tail.at(-1) ?? 'it wrote nothing';
    return new LocalClusterError(`${this.name} ${what}: ${last.trim()} (log: ${this.process.logFile})`, tail);
  }

  private get configFile(): string {
    return join(this.dataDirectory, 'nats-server.conf');
  }
}
