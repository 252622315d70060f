/** The victims of faults: a process that runs at this moment, by role or because it leads. */
import type { Role, Target, TargetProcess } from '../system/target.js';
import type { Random } from '../workload/random.js';
import { FaultNotApplicable } from './fault.js';

/** Less than the nemesis allows a healing, so that the message names the process. */
const RESTARTED_MS_MAX = 50_000;
/** An election that has begun has ended by then. */
const ELECTION_MS_MAX = 8_000;
const PROBE_EVERY_MS = 200;

/** What has a leader. */
export type Led = 'stream' | { readonly consumer: string };

/** A process and the run of it that was hit. */
export interface Victim {
  readonly process: TargetProcess;
  readonly pid: number;
}

/** All processes of a role. */
export function processesOf(target: Target, role: Role): readonly TargetProcess[] {
  return target.processes.filter((one) => one.role === role);
}

/** The running processes of a role. */
export function runningOf(target: Target, role: Role): Victim[] {
  return processesOf(target, role).flatMap((process) =>
    process.pid === undefined ? [] : [{ process, pid: process.pid }],
  );
}

/** One running process of a role. Throws `FaultNotApplicable` when there is none. */
export function pickRunning(target: Target, role: Role, random: Random): Victim {
  const running = runningOf(target, role);
  if (running.length === 0) throw new FaultNotApplicable(`no ${role} runs`);
  return random.pick(running);
}

/** The leader, after the end of an election that has begun. Throws `FaultNotApplicable` when there is none. */
export async function currentLeader(target: Target, what: Led): Promise<string> {
  const deadline = performance.now() + ELECTION_MS_MAX;
  for (;;) {
    const leader = await target.leaderOf(what);
    if (leader !== undefined) return leader;
    if (performance.now() > deadline) throw new FaultNotApplicable('there is no leader at this moment');
    await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS));
  }
}

/** The broker that leads. Throws `FaultNotApplicable` when there is none, or it does not run. */
export async function pickLeader(target: Target, what: Led): Promise<Victim> {
  const leader = await currentLeader(target, what);
  const victim = runningOf(target, 'broker').find(({ process }) => process.name === leader);
  if (victim === undefined) throw new FaultNotApplicable(`${leader}, which leads, does not run`);
  return victim;
}

/**
 * Sends a signal to that run and no other, SIGKILL if none is named. Throws `FaultNotApplicable` when it has already
 * ended.
 */
export function strike({ process, pid }: Victim, signal: NodeJS.Signals = 'SIGKILL'): void {
  if (process.pid !== pid || !process.kill(signal))
    throw new FaultNotApplicable(`${process.name} has already ended`);
}

/** Resolves when each runs again; throws, naming the first that does not. */
export async function untilAllRestarted(victims: readonly Victim[]): Promise<void> {
  await Promise.all(victims.map(({ process, pid }) => process.untilRestarted(pid, RESTARTED_MS_MAX)));
}

/** "nats-1 and nats-3". */
export function namesOf(victims: readonly Victim[]): string {
  return victims.map(({ process }) => process.name).join(' and ');
}
