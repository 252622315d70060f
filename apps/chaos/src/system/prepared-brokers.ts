/**
 * What is done to the brokers of a system that just started, so that some faults become possible.
 *
 *   restarts held ─▶ brokers end in order ─▶ routes led through proxies, stores moved to disks ─▶ released ─▶ all run
 *
 * All of it is done from outside, to files that `sekali up` wrote: the system that is judged knows nothing of it.
 */
import { readFile } from 'node:fs/promises';
import { freemem } from 'node:os';
import { join } from 'node:path';
import { brokerStoreIn } from './broker-store.js';
import { ProxiedRoutes } from './broker-routes.js';
import { OwnDisks } from './own-disk.js';
import { untilEnded } from './signals.js';
import type { Preparation, TargetProcess } from './target.js';

const RESTARTED_MS_MAX = 60_000;
const ANSWER_MS_MAX = 3_000;
const MONITOR = /^http: "([^"]+)"/m;
const CONNECTIONS_MAX = 1_024;
const MEMORY_SHARE_MAX = 0.5;
const MIB = 1024 ** 2;

/** What is prepared, and for whom. */
export interface PreparationOptions {
  readonly data: string;
  readonly brokers: readonly TargetProcess[];
  readonly wanted: readonly Preparation[];
  /** Size of each disk. */
  readonly diskBytes: number;
  /** Nobody starts a broker again between the two. */
  readonly hold: (held: boolean) => void;
}

/** Brokers as they are now. */
export interface PreparedBrokers {
  readonly disks: OwnDisks | undefined;
  readonly routes: ProxiedRoutes | undefined;
  /** What could not be prepared and why, a line each. */
  readonly notes: readonly string[];
  /** Gives everything back; the brokers must be gone. */
  close(): Promise<void>;
}

/** Prepares them. Throws when a broker does not come back; what was opened is closed then. */
export async function prepareBrokers(options: PreparationOptions): Promise<PreparedBrokers> {
  const { wanted } = options;
  const tried = wanted.includes('disks') ? await openDisks(options) : undefined;
  const disks = tried?.disks;
  const notes =
    tried !== undefined && tried.disks === undefined
      ? [`The brokers have no disks that can be filled, which takes root on Linux and memory: ${tried.why}`]
      : [];
  let routes: ProxiedRoutes | undefined;
  const close = async (): Promise<void> => {
    await routes?.close();
    disks?.close();
  };
  try {
    if (disks !== undefined || wanted.includes('routes'))
      routes = await whileStopped(options, () => change(options, disks));
    return { disks, routes, notes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Full disks take as much memory as they are large: a run must not be what ends the machine. */
async function openDisks({ brokers, diskBytes }: PreparationOptions): ReturnType<typeof OwnDisks.open> {
  const needed = brokers.length * diskBytes;
  if (needed <= freemem() * MEMORY_SHARE_MAX) return OwnDisks.open(diskBytes);
  const why = `full they would take ${Math.ceil(needed / MIB)} MiB of memory, more than half of what is free`;
  return { disks: undefined, why };
}

/** How many connections a broker has whose names tell of a role. Throws when its monitoring does not answer. */
export async function countConnections(data: string, broker: string, role: string): Promise<number> {
  const address = MONITOR.exec(await readFile(configurationOf(data, broker), 'utf8'))?.[1];
  if (address === undefined) throw new Error(`${broker} has no monitoring`);
  const response = await fetch(`http://${address}/connz?limit=${CONNECTIONS_MAX}`, {
    signal: AbortSignal.timeout(ANSWER_MS_MAX),
  });
  const { connections = [] } = (await response.json()) as { connections?: { name?: string }[] | null };
  return (connections ?? []).filter(({ name }) => name?.includes(role) === true).length;
}

async function change(
  { data, brokers, wanted }: PreparationOptions,
  disks: OwnDisks | undefined,
): Promise<ProxiedRoutes | undefined> {
  for (const { name } of brokers) {
    const store = brokerStoreIn(data, name);
    if (disks !== undefined && store !== undefined) await disks.take(name, store);
  }
  if (!wanted.includes('routes') || brokers.length === 1) return undefined;
  return ProxiedRoutes.lead(
    brokers.map(({ name }) => ({ name, configuration: configurationOf(data, name) })),
  );
}

async function whileStopped<T>({ brokers, hold }: PreparationOptions, work: () => Promise<T>): Promise<T> {
  const before = brokers.flatMap((broker) => (broker.pid === undefined ? [] : [{ broker, pid: broker.pid }]));
  let done: T;
  hold(true);
  try {
    for (const { broker } of before) broker.kill('SIGTERM');
    await Promise.all(before.map(({ pid }) => untilEnded(pid)));
    done = await work();
  } finally {
    hold(false);
  }
  await Promise.all(before.map(({ broker, pid }) => broker.untilRestarted(pid, RESTARTED_MS_MAX)));
  return done;
}

function configurationOf(data: string, broker: string): string {
  return join(data, broker, 'nats-server.conf');
}
