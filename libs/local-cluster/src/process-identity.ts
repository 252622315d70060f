/**
 * Which process a pid means.
 *
 * A pid is given again after its process has ended, so a recorded pid alone proves nothing. The moment the process
 * started is recorded beside it, and on Linux the boot as well: both must still be the same.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process, recognisable after its pid has been given to another. */
export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own notation; null where that cannot be found out. */
  readonly startedAt: string | null;
}

/** The identity of a process that is alive now. */
export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) };
}

/** Whether exactly this process, not a later one with its pid, is alive. A zombie is not. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (!pidExists(identity.pid)) return false;
  const startedAt = startOf(identity.pid);
  if (startedAt === 'ended') return false;
  return identity.startedAt === null || startedAt === null || startedAt === identity.startedAt;
}

/** The same, for a record that somebody may have made up: a start that is not recorded, where it can be, is no proof. */
export function isCertainlyRunning(identity: ProcessIdentity): boolean {
  return isRunning(identity) && identity.startedAt === startOf(identity.pid);
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is there, and belongs to someone else.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function startOf(pid: number): string | null {
  try {
    if (process.platform === 'linux') return startOnLinux(pid);
    if (process.platform === 'win32') return null;
    const line = execFileSync('ps', ['-o', 'lstart=', '-p', String(pid)], { encoding: 'utf8' }).trim();
    return line === '' ? null : line;
  } catch {
    return null;
  }
}

/** Whether a process was stopped by a signal. False where that cannot be found out. */
export function isProcessPaused(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return statOf(pid)[0] === 'T';
  } catch {
    return false;
  }
}

/** The fields after the name. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in parentheses, may itself hold spaces and parentheses: fields are counted after the last one.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function startOnLinux(pid: number): string {
  const fields = statOf(pid);
  const [state] = fields;
  if (state === 'Z' || state === 'X') return 'ended';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${boot}/${fields[19] ?? ''}`;
}
