/**
 * Tells which process a pid means.
 *
 * A pid is reused after its process has ended, so a recorded pid alone proves nothing. The process's start time is
 * recorded with it, and on Linux the boot as well. Both must still be the same.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

/** A process, recognisable after another one has got its pid. */
export interface ProcessIdentity {
  readonly pid: number;
  /** Its start time in the system's own notation; null where that is unknown. */
  readonly startedAt: string | null;
}

/** The identity of a process that is alive now. */
export function identifyProcess(pid: number): ProcessIdentity {
  return { pid, startedAt: startOf(pid) };
}

/** Whether exactly this process is alive, and not a later one with its pid. A zombie counts as ended. */
export function isRunning(identity: ProcessIdentity): boolean {
  if (!pidExists(identity.pid)) return false;
  const startedAt = startOf(identity.pid);
  if (startedAt === 'ended') return false;
  return identity.startedAt === null || startedAt === null || startedAt === identity.startedAt;
}

/**
 * The same for a record that an attacker may have invented. A start time that is missing, although the system has one,
 * proves nothing.
 */
export function isCertainlyRunning(identity: ProcessIdentity): boolean {
  return isRunning(identity) && identity.startedAt === startOf(identity.pid);
}

function pidExists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM means that it exists and belongs to another user.
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

/** Whether a signal has stopped a process. False where that is unknown. */
export function isProcessPaused(pid: number): boolean {
  if (process.platform !== 'linux') return false;
  try {
    return statOf(pid)[0] === 'T';
  } catch {
    return false;
  }
}

/** The fields after the name in the process's stat file. */
function statOf(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
  // The name, in parentheses, may itself hold spaces and parentheses. So the fields start after the last parenthesis.
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ');
}

function startOnLinux(pid: number): string {
  const fields = statOf(pid);
  const [state] = fields;
  if (state === 'Z' || state === 'X') return 'ended';
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  return `${boot}/${fields[19] ?? ''}`;
}
