import { join } from 'node:path';
import type { NatsConnection } from '@nats-io/nats-core';
import { systemEnvironment } from '#config';
import { connectToBrokers, WatchedStream } from './broker-door.js';
import { brokerStoreIn } from './broker-store.js';
import type { OwnProcess } from './own-process.js';
import { databaseIn } from './postgres-files.js';
import { countConnections, prepareBrokers, type PreparedBrokers } from './prepared-brokers.js';
import { makeApplications, type Program } from './proxied-applications.js';
import { builtProgram } from './repository.js';
import { runStatement } from './sql-door.js';
import type {
  BrokerDisk,
  BrokerRoutes,
  Link,
  LinkName,
  Preparation,
  Target,
  TargetProcess,
} from './target.js';
import type { TcpLink } from './tcp-link.js';
import { UpProcess, type UpReady } from './up-process.js';

const APPLICATION_READY_MS_MAX = 60_000;
const APPLICATION_STOP_MS = 12_000;
const DISK_BYTES = 384 * 1024 ** 2;

/** What a system needs. */
export interface LocalSystemOptions {
  /** The folder of this run; `logs` is created in it. */
  readonly folder: string;
  /** Settings for all its programs, such as `{ SEKALI_ACK_WAIT_MS: '6000' }`. */
  readonly environment?: Readonly<Record<string, string>>;
  /** Brokers: 1, 3 or 5. Default 3. */
  readonly nodes?: number;
  /** How the brokers are prepared before anything else is started. Default: not at all. */
  readonly prepare?: readonly Preparation[];
  /** Size of each broker's separate disk, if it gets one. Default 384 MiB. */
  readonly diskBytes?: number;
  /** Ordinary workers of `up`. Default 0: the judge's own do the work. */
  readonly workers?: number;
  /** The judge's own workers. Default: the built apps/worker, judged-worker. */
  readonly worker?: Program;
  /** The judge's own gateway. Default: the built apps/gateway. */
  readonly gateway?: Program;
  /** Default "EVENTS". */
  readonly stream?: string;
  /** Durable consumers that must settle everything. Default "store" and "accounts". */
  readonly consumers?: readonly string[];
  /** Ends the start; afterwards it has no effect. */
  readonly signal?: AbortSignal;
  /** Called when `sekali up` ends by itself, because the run means nothing from then on. */
  readonly onLost?: (what: string) => void;
}

/** Everything that `LocalSystem` holds. */
interface Parts {
  readonly up: UpProcess;
  readonly ready: UpReady;
  readonly prepared: PreparedBrokers;
  readonly links: readonly TcpLink[];
  readonly own: readonly OwnProcess[];
  readonly gatewayUrls: readonly string[];
  readonly brokers: NatsConnection;
  readonly watched: WatchedStream;
}

/**
 * The system under test on this machine: `sekali up --ephemeral`, with additional applications of the judge.
 *
 *   start   up ─ready─▶ brokers prepared ─▶ links ─▶ gateway-p1 ‖ worker-p1 ‖ worker-p2 ─▶ judged
 *   stop    wake everything ─▶ applications ─▶ links ─▶ up, or what is left of it ─▶ routes, disks
 *
 * `stop` leaves no process, and may be called at any time and more than once. A `start` that fails or is aborted has
 * stopped what it had started. Afterwards the logs of all processes are in `<folder>/logs`.
 */
export class LocalSystem implements Target {
  private holds = 0;
  private stopped: Promise<void> | undefined;
  private readonly wake = (): void => this.wakeAll();

  private constructor(private readonly parts: Parts) {
    process.once('exit', this.wake);
  }

  /** Starts it and resolves when all of it works. Throws, with the last lines of what failed. */
  static async start(options: LocalSystemOptions): Promise<LocalSystem> {
    const { nodes = 3, workers = 0, signal } = options;
    const logFolder = join(options.folder, 'logs');
    const environment = { ...systemEnvironment(), ...options.environment };
    const worker = options.worker ?? { program: builtProgram('worker', 'judged/judged-worker') };
    const counts = ['--nodes', String(nodes), '--workers', String(workers), '--gateways', '1'];
    const up = new UpProcess({
      program: builtProgram('cli'),
      args: ['--ephemeral', '--json', ...counts],
      environment,
      logFolder,
      ...(options.onLost && { onLost: options.onLost }),
    });
    const undo: (() => Promise<unknown>)[] = [() => up.stop()];
    try {
      const ready = await up.start(signal);
      const prepared = await prepareBrokers({
        data: ready.data,
        brokers: up.processes.filter(({ role }) => role === 'broker'),
        preparations: options.prepare ?? [],
        diskBytes: options.diskBytes ?? DISK_BYTES,
        hold: (held) => up.hold(held),
      });
      undo.push(() => prepared.close());
      const where = { nats: ready.nats, postgres: ready.postgres };
      const gateway = options.gateway ?? { program: builtProgram('gateway') };
      const made = await makeApplications({ where, gateway, worker, environment, logFolder });
      undo.unshift(() => stopApplications(made.processes, made.links));
      await Promise.all(made.processes.map((one) => one.start(APPLICATION_READY_MS_MAX, signal)));
      const brokers = await connectToBrokers(ready.nats);
      undo.unshift(() => brokers.close());
      signal?.throwIfAborted();
      const { stream = 'EVENTS', consumers = ['store', 'accounts'] } = options;
      const watched = new WatchedStream(brokers, stream, consumers);
      const gatewayUrls = [...(ready.gateways ?? [ready.gateway]), made.gatewayUrl];
      return new LocalSystem({
        up,
        ready,
        prepared,
        links: made.links,
        own: made.processes,
        gatewayUrls,
        brokers,
        watched,
      });
    } catch (error) {
      for (const step of undo) await step().catch(() => undefined);
      throw error;
    }
  }

  get processes(): readonly TargetProcess[] {
    return [...this.parts.up.processes, ...this.parts.own];
  }
  /** The gateways of `up` come first; the last one reaches the rest through links. */
  get gatewayUrls(): readonly string[] {
    return this.parts.gatewayUrls;
  }
  get natsUrls(): readonly string[] {
    return this.parts.ready.nats;
  }
  get postgresUrl(): string {
    return this.parts.ready.postgres;
  }
  get routes(): BrokerRoutes | undefined {
    return this.parts.prepared.routes;
  }
  /** What could not be prepared and why, one line each. */
  get notes(): readonly string[] {
    return this.parts.prepared.notes;
  }
  get stream(): string {
    return this.parts.watched.name;
  }
  get consumers(): readonly string[] {
    return this.parts.watched.consumers;
  }
  get brokers(): NatsConnection {
    return this.parts.brokers;
  }

  link(name: LinkName): Link | undefined {
    return this.parts.links.find((link) => link.name === name);
  }

  holdRestarts(): () => void {
    this.holds += 1;
    if (this.holds === 1) this.hold(true);
    let released = false;
    return () => {
      if (released) return;
      released = true;
      this.holds -= 1;
      if (this.holds === 0) this.hold(false);
    };
  }

  brokerStore(name: string): string | undefined {
    return brokerStoreIn(this.parts.ready.data, name);
  }

  get databaseDirectory(): string | undefined {
    return databaseIn(this.parts.ready.data);
  }

  brokerDisk(name: string): BrokerDisk | undefined {
    return this.parts.prepared.disks?.of(name);
  }

  connectionsOf(role: 'gateway' | 'worker', broker: string): Promise<number> {
    return countConnections(this.parts.ready.data, broker, role);
  }

  sql(statement: string, parameters: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return runStatement(this.postgresUrl, statement, parameters);
  }

  leaderOf(what: 'stream' | { readonly consumer: string }): Promise<string | undefined> {
    return this.parts.watched.leaderOf(what);
  }

  untilReplicasCurrent(timeoutMs: number, except?: string): Promise<void> {
    return this.parts.watched.untilReplicasCurrent(timeoutMs, except);
  }

  /** Stops all of it. When a process is left even so, it throws and names it. */
  stop(): Promise<void> {
    this.stopped ??= this.stopInOrder();
    return this.stopped;
  }

  private async stopInOrder(): Promise<void> {
    const { up, own, links, brokers, prepared } = this.parts;
    process.off('exit', this.wake);
    this.wakeAll();
    const steps = [
      () => brokers.close(),
      () => stopApplications(own, links),
      () => up.stop(),
      () => prepared.close(),
    ];
    const failures: unknown[] = [];
    for (const step of steps) await step().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw new AggregateError(failures);
  }

  private hold(held: boolean): void {
    this.parts.up.hold(held);
    for (const one of this.parts.own) one.hold(held);
  }

  private wakeAll(): void {
    for (const one of this.processes) one.kill('SIGCONT');
    for (const link of this.parts.links) link.heal();
    this.parts.prepared.routes?.heal();
    this.parts.up.hold(false);
  }
}

async function stopApplications(processes: readonly OwnProcess[], links: readonly TcpLink[]): Promise<void> {
  const ends = await Promise.allSettled(processes.map((one) => one.stop(APPLICATION_STOP_MS)));
  await Promise.all(links.map((link) => link.close()));
  const failed = ends.find((end) => end.status === 'rejected');
  if (failed) throw failed.reason;
}
