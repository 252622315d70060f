/**
 * Prepares the brokers of a system that has just started, so that some faults become possible.
 *
 *   restarts held ─▶ brokers end in order ─▶ routes led through proxies, stores moved to disks ─▶ released ─▶ all run
 *
 * All of it is done from outside, to files that `sekali up` wrote. The judged system knows nothing of it.
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

/** What is prepared, and for which system. */
export interface PreparationOptions {
  readonly data: string;
  readonly brokers: readonly TargetProcess[];
  readonly preparations: readonly Preparation[];
  /** Size of each disk. */
  readonly diskBytes: number;
  /** Holds restarts, so that no broker is started again between the two. */
  readonly hold: (held: boolean) => void;
}

/** The brokers with their present pids. */
export interface PreparedBrokers {
  readonly disks: OwnDisks | undefined;
  readonly routes: ProxiedRoutes | undefined;
  /** What could not be prepared and why, one line each. */
  readonly notes: readonly string[];
  /** Gives everything back. The brokers must have ended. */
  close(): Promise<void>;
}

/** Prepares them. When a broker does not come back, it throws and closes what was opened. */
export async function prepareBrokers(options: PreparationOptions): Promise<PreparedBrokers> {
  const { preparations } = options;
  const tried = preparations.includes('disks') ? await openDisks(options) : undefined;
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
    if (disks !== undefined || preparations.includes('routes'))
      routes = await whileStopped(options, () => change(options, disks));
    return { disks, routes, notes, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Full disks take memory of their size, and a run must not exhaust the machine. */
async function openDisks({ brokers, diskBytes }: PreparationOptions): ReturnType<typeof OwnDisks.open> {
  const needed = brokers.length * diskBytes;
  if (needed <= freemem() * MEMORY_SHARE_MAX) return OwnDisks.open(diskBytes);
  const why = `full they would take ${Math.ceil(needed / MIB)} MiB of memory, more than half of what is free`;
  return { disks: undefined, why };
}

/** How many connections a broker has whose names belong to a role. Throws when its monitoring does not answer. */
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
  { data, brokers, preparations }: PreparationOptions,
  disks: OwnDisks | undefined,
): Promise<ProxiedRoutes | undefined> {
  for (const { name } of brokers) {
    const store = brokerStoreIn(data, name);
    if (disks !== undefined && store !== undefined) await disks.take(name, store);
  }
  if (!preparations.includes('routes') || brokers.length === 1) return undefined;
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
