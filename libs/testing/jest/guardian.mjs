/**
 * Cleans up after a run of the tests that was killed.
 *
 * Its standard input is a pipe to jest, which closes however jest ends, also by SIGKILL. What the run left alive is
 * then killed and its folder removed; after a run that ended by itself there is nothing to do.
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
      // It ended in the meantime.
    }
  }
  rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
});
