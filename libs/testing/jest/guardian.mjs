/**
 * Cleans up after a run of the tests that was killed.
 *
 * Its standard input is a pipe from jest, which closes however jest ends, even by SIGKILL. It then kills what the run
 * left alive and removes the run's folder. After a run that ended normally there is nothing to do.
 */
import { rmSync } from 'node:fs';
import { findRunProcesses } from './run-processes.mjs';

const [folder] = process.argv.slice(2);

// Ctrl-C in a terminal is meant for jest.
process.on('SIGINT', () => undefined);
process.stdin.resume();
process.stdin.on('end', () => {
  for (const { pid } of findRunProcesses(folder)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // The process ended in the meantime.
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
