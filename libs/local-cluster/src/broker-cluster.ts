import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { poll } from '#waiting';
import { findNatsServer } from './binaries.js';
import { isHealthy, readMetaGroup } from './broker-health.js';
import { BrokerNode } from './broker-node.js';
import { type BrokerRoom, brokerRoom } from './disk-room.js';
import { drawFreePorts, portState } from './free-port.js';
import { EmptyBrokers } from './empty-brokers.js';
import { LocalClusterError } from './local-cluster-error.js';

const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 10_000;
const GIVE_UP_TIMEOUT_MS = 3_000;
const PORT_ATTEMPTS_MAX = 5;
const GIB = 1024 ** 3;
const FILE_STORE_BYTES_MAX = 10 * GIB;
/** Nodes advertise this address to each other, so that none bypasses the proxies between them. */
const NOWHERE = '127.0.0.1:1';

/** How to start a cluster. */
export interface BrokerClusterOptions {
  /** Holds one folder per node. A missing directory is created, and the content of an existing one is used again. */
  readonly dataDirectory: string;
  /** 1, 3 or 5; the default is 3. A single node forms no cluster, and streams on it have one replica. */
  readonly nodes?: number;
  /** A client port for each node; free ports are drawn when left out. */
  readonly clientPorts?: readonly number[] | undefined;
  /** The nats-server to run; npm's when left out. */
  readonly serverBinary?: string | undefined;
  /** How often the servers call fsync: "always", or a duration such as "1s". Their own default is "2m". */
  readonly syncInterval?: string | undefined;
  /**
   * Whether clients and nodes need a password. It is random and kept in the data directory. Any user of this machine
   * can reach the ports. The default is false.
   */
  readonly withPassword?: boolean;
  /**
   * Bytes that JetStream may keep on disk, per node. The default is what the disk has room for (disk-room.ts), 10 GiB
   * at most.
   */
  readonly maxFileStoreBytes?: number;
  /** Bytes of the largest message. The default is 1 MiB. */
  readonly maxPayloadBytes?: number;
  /** Folder for one log per node. The default is `<dataDirectory>/logs`. */
  readonly logDirectory?: string;
  /** The default is 60 s, because a cluster with much data first reads it. */
  readonly timeoutMs?: number;
  /** Ends the start, stops what runs, and throws the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** Called with the number of healthy nodes whenever it changes. */
  readonly onProgress?: (healthyNodes: number) => void;
  /**
   * The port at which a node dials another one, given the other's route port: a proxy of the caller's, which can
   * separate the two. Without it, nodes dial each other directly. It is asked again for every pair when new ports are
   * drawn.
   */
  readonly routeVia?: ((from: string, to: string, routePort: number) => Promise<number>) | undefined;
  /** Called with the nodes before any is started, so that the caller sees every start. */
  readonly onNodes?: (nodes: readonly BrokerNode[]) => void;
}

/** A running cluster. */
export interface BrokerCluster {
  /** One URL per node for clients, with user and password where they need them. */
  readonly urls: string[];
  readonly nodes: readonly BrokerNode[];
  /** Bytes that one stream may hold, so that the stream is full before the disk is. */
  readonly streamBytesMax: number;
  /** The node of that name; throws when there is none. */
  node(name: string): BrokerNode;
  /** Name of the node that leads the meta group now; undefined while there is none. */
  metaLeader(): Promise<string | undefined>;
  /** Stops all nodes at once, and resolves when they have ended. */
  stop(options?: { timeoutMs?: number }): Promise<void>;
}

/**
 * Starts a JetStream cluster of real nats-server processes on this machine.
 *
 * When it resolves, every node is healthy and all of them see the same leader of the meta group. It fails with one
 * `LocalClusterError` and then leaves no process behind. When another program takes a drawn port, new ports are drawn.
 * A busy port that the caller chose is reported.
 */
export async function startBrokers(options: BrokerClusterOptions): Promise<BrokerCluster> {
  const count = options.nodes ?? options.clientPorts?.length ?? 3;
  if (options.clientPorts !== undefined && options.clientPorts.length !== count) {
    throw new Error(`${options.clientPorts.length} client ports for ${count} nodes.`);
  }
  const dataDirectory = resolve(options.dataDirectory);
  mkdirSync(dataDirectory, { recursive: true });
  const nodes = makeNodes({ ...options, dataDirectory }, count);
  options.onNodes?.(nodes);
  const room = roomOf(nodes, options, dataDirectory);
  for (let attempt = 1; ; attempt += 1) {
    await configureNodes(nodes, { ...options, dataDirectory }, room.fileStoreBytes);
    try {
      await startNodes(nodes, options);
      return asCluster(nodes, room.streamBytes);
    } catch (error) {
      const portLost = nodes.some((node) =>
        node.process.logTail().some((line) => line.includes('address already in use')),
      );
      await stopNodes(nodes, GIVE_UP_TIMEOUT_MS);
      options.signal?.throwIfAborted();
      if (!portLost || attempt === PORT_ATTEMPTS_MAX) throw error;
      await refuseBusyPorts(options.clientPorts ?? []);
    }
  }
}

function makeNodes(options: BrokerClusterOptions, count: number): readonly BrokerNode[] {
  const serverBinary = findNatsServer(options.serverBinary);
  const logDirectory = resolve(options.logDirectory ?? join(options.dataDirectory, 'logs'));
  const order: EmptyBrokers = new EmptyBrokers(() => nodes);
  const nodes: readonly BrokerNode[] = Array.from({ length: count }, (_, index) => {
    const name = `nats-${index + 1}`;
    return new BrokerNode({
      name,
      serverBinary,
      dataDirectory: join(options.dataDirectory, name),
      logFile: join(logDirectory, `${name}.log`),
      awaitTurn: (node, signal) => order.awaitTurn(node, signal),
    });
  });
  return nodes;
}

function roomOf(
  nodes: readonly BrokerNode[],
  { maxFileStoreBytes }: BrokerClusterOptions,
  dataDirectory: string,
): BrokerRoom {
  if (maxFileStoreBytes !== undefined) {
    return { fileStoreBytes: maxFileStoreBytes, streamBytes: maxFileStoreBytes };
  }
  const stores = nodes.map(({ storeDirectory }) => storeDirectory);
  const { fileStoreBytes, streamBytes } = brokerRoom(dataDirectory, stores);
  return {
    fileStoreBytes: Math.min(fileStoreBytes, FILE_STORE_BYTES_MAX),
    streamBytes: Math.min(streamBytes, FILE_STORE_BYTES_MAX),
  };
}

async function configureNodes(
  nodes: readonly BrokerNode[],
  options: BrokerClusterOptions,
  fileStoreBytesMax: number,
): Promise<void> {
  const drawn = await drawFreePorts(nodes.length * 3);
  const routePorts = nodes.map(() => drawn.pop() as number);
  const clusterName = readKept(options.dataDirectory, 'cluster-name', randomClusterName);
  const password = options.withPassword
    ? readKept(options.dataDirectory, 'broker-password', randomPassword)
    : undefined;
  for (const [index, node] of nodes.entries()) {
    const routePort = routePorts[index] as number;
    node.configure({
      clusterName,
      clientPort: options.clientPorts?.[index] ?? (drawn.pop() as number),
      monitorPort: drawn.pop() as number,
      routePort,
      routePorts: await dialledPorts(node, nodes, routePorts, options.routeVia),
      advertisedRoute: options.routeVia && NOWHERE,
      payloadBytesMax: options.maxPayloadBytes ?? 1024 ** 2,
      fileStoreBytesMax,
      memoryStoreBytesMax: GIB / 4,
      syncInterval: options.syncInterval,
      password,
    });
  }
}

/** The ports at which one node reaches all nodes: its own directly, the others through `via`. */
async function dialledPorts(
  from: BrokerNode,
  nodes: readonly BrokerNode[],
  routePorts: readonly number[],
  via: BrokerClusterOptions['routeVia'],
): Promise<number[]> {
  return Promise.all(
    nodes.map(async (to, index) => {
      const port = routePorts[index] as number;
      return via === undefined || to === from ? port : via(from.name, to.name, port);
    }),
  );
}

/** A random name keeps two clusters apart. */
const randomClusterName = (): string => `sekali-${randomBytes(4).toString('hex')}`;
const randomPassword = (): string => randomBytes(24).toString('base64url');

/**
 * A value that is created once and then stays the same. Streams remember the name of their cluster, and programs
 * remember their password. A directory of an older version gets what it lacks.
 */
function readKept(dataDirectory: string, name: string, make: () => string): string {
  const file = join(dataDirectory, name);
  if (!existsSync(file)) {
    // The file is written in one step, so that an interrupted start leaves no half of it.
    writeFileSync(`${file}.unfinished`, `${make()}\n`, { mode: 0o600 });
    renameSync(`${file}.unfinished`, file);
  }
  return readFileSync(file, 'utf8').trim();
}

async function startNodes(nodes: readonly BrokerNode[], options: BrokerClusterOptions): Promise<void> {
  const { timeoutMs = START_TIMEOUT_MS, signal } = options;
  signal?.throwIfAborted();
  await Promise.all(nodes.map((node) => node.spawn()));
  let healthyBefore = 0;
  const ready = await poll(
    async () => {
      const ended = nodes.find((node) => node.pid === undefined);
      if (ended !== undefined) throw ended.failure('ended while it started');
      const healthy = await countHealthy(nodes);
      if (healthy !== healthyBefore) options.onProgress?.(healthy);
      healthyBefore = healthy;
      return (healthy === nodes.length && (await agreeOnLeader(nodes))) || undefined;
    },
    { timeoutMs, signal },
  );
  if (ready) return;
  for (const node of nodes) await node.untilReady({ timeoutMs: 1 });
  throw new LocalClusterError(
    `The ${nodes.length} brokers did not agree on a leader within ${timeoutMs / 1_000} s.`,
  );
}

async function countHealthy(nodes: readonly BrokerNode[]): Promise<number> {
  const answers = await Promise.all(nodes.map((node) => isHealthy(node.monitorPort)));
  return answers.filter(Boolean).length;
}

async function agreeOnLeader(nodes: readonly BrokerNode[]): Promise<boolean> {
  if (nodes.length === 1) return true;
  const groups = await Promise.all(nodes.map((node) => readMetaGroup(node.monitorPort)));
  const leader = groups[0]?.leader;
  return (
    leader !== undefined &&
    groups.every((group) => group?.leader === leader && group.cluster_size === nodes.length)
  );
}

async function refuseBusyPorts(ports: readonly number[]): Promise<void> {
  for (const port of ports) {
    if ((await portState(port)) !== 'free')
      throw new LocalClusterError(`Port ${port} for a broker is in use.`);
  }
}

async function stopNodes(nodes: readonly BrokerNode[], timeoutMs: number): Promise<void> {
  await Promise.all(nodes.map((node) => node.stop({ timeoutMs })));
}

function asCluster(nodes: readonly BrokerNode[], streamBytesMax: number): BrokerCluster {
  return {
    streamBytesMax,
    urls: nodes.map((node) => node.url),
    nodes,
    node(name) {
      const found = nodes.find((node) => node.name === name);
      if (found === undefined) throw new Error(`There is no broker ${name}.`);
      return found;
    },
    async metaLeader() {
      if (nodes.length === 1) return nodes[0]?.name;
      const running = nodes.filter((node) => node.pid !== undefined);
      const groups = await Promise.all(running.map((node) => readMetaGroup(node.monitorPort)));
      return groups.find((group) => group?.leader)?.leader;
    },
    async stop({ timeoutMs = STOP_TIMEOUT_MS } = {}) {
      await stopNodes(nodes, timeoutMs);
    },
  };
}
