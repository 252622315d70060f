/**
 * Finds the processes that belong to a run of the tests.
 *
 * The run has its own folder, which is the temporary directory of every test. So each process that a test started has
 * the folder in its environment or its arguments, even when its parent has changed. Linux shows both. On other systems
 * nothing is found, and nothing is reported.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * @param {string} folder the folder of the run
 * @param {readonly number[]} [except] pids that may stay alive
 * @returns {{ pid: number, command: string }[]} the live processes, except jest's own workers and this process
 */
export function findRunProcesses(folder, except = []) {
  if (!existsSync('/proc/self/environ')) return [];
  return readdirSync('/proc')
    .map(Number)
    .filter((pid) => pid > 0 && pid !== process.pid && !except.includes(pid))
    .map((pid) => ({
      pid,
      command: readArguments(pid, 'cmdline'),
      environment: readArguments(pid, 'environ'),
    }))
    .filter(({ command, environment }) => `${command} ${environment}`.includes(folder))
    .filter(({ command }) => !command.includes('jest-worker'))
    .map(({ pid, command }) => ({ pid, command }));
}

/** Empty for a process that has ended, is a zombie, or belongs to another user. */
function readArguments(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
