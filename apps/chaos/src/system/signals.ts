/** Signals to processes by pid. That a process has already ended is a result here and not an error. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { until } from './deadline.js';

const run = promisify(execFile);
const ENDED_MS_MAX = 10_000;

/** Sends a signal; false when there is no such process, or no pid was given. */
export function sendSignal(pid: number | undefined, signal: NodeJS.Signals): boolean {
  if (pid === undefined) return false;
  try {
    return process.kill(pid, signal);
  } catch {
    return false;
  }
}

/** Whether a process of this pid exists. */
export function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/**
 * Resolves when a process does not run any more. One whose parent has not yet read its exit status counts as ended.
 * Throws when the time is up.
 */
export async function untilEnded(pid: number, timeoutMs = ENDED_MS_MAX): Promise<void> {
  const hasEnded = async (): Promise<boolean> => {
    if (!isAlive(pid)) return true;
    const state = await run('ps', ['-o', 'stat=', '-p', String(pid)]).then(
      ({ stdout }) => stdout.trim(),
      () => '',
    );
    return state === '' || state.startsWith('Z');
  };
  await until(hasEnded, { timeoutMs, what: `process ${pid} to end` });
}
