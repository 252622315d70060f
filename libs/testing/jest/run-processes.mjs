/**
 * Which processes belong to a run of the tests.
 *
 * The run has a folder of its own, which is the temporary directory of every test. A process that a test started,
 * directly or not, therefore has the folder in its environment or in its arguments, whoever its parent is by now.
 * Linux shows both; elsewhere nothing is found, and nothing is said to be left over.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';

/**
 * @param {string} folder the folder of the run
 * @param {readonly number[]} [except] pids that may live on
 * @returns {{ pid: number, command: string }[]} what is alive, but for jest's own workers and this process
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

/** Empty for a process that is gone, is a zombie, or belongs to someone else. */
function readArguments(pid, file) {
  try {
    return readFileSync(`/proc/${pid}/${file}`, 'utf8').replaceAll('\0', ' ').trim();
  } catch {
    return '';
  }
}
