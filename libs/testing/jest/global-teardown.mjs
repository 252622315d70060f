/**
 * After the tests, failed or not: stops the servers, and finds processes that a test has left alive.
 *
 * Such a process fails the run. A service that does not end on request is a bug, on a laptop as in production.
 */
import { rmSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { RUN } from './global-setup.mjs';
import { findRunProcesses } from './run-processes.mjs';

const END_TIMEOUT_MS = 3_000;
const POLL_MS = 50;

export default async function globalTeardown() {
  const run = globalThis[RUN];
  if (run === undefined) return;
  await Promise.all(run.servers.map((server) => server.stop()));
  const leftOver = await findLeftOver(run);
  for (const { pid, command } of leftOver) {
    process.stderr.write(`Left alive by a test, killed now: ${pid} ${command}\n`);
    process.kill(pid, 'SIGKILL');
  }
  rmSync(run.folder, { recursive: true, force: true, maxRetries: 5 });
  run.guardian.stdin.end();
  // A thrown error would make jest leave out the report that CI reads.
  if (leftOver.length > 0) process.exitCode = 1;
}

/** The processes that remain after a moment. One that was just stopped needs that moment. */
async function findLeftOver({ folder, guardian }) {
  const deadline = Date.now() + END_TIMEOUT_MS;
  for (;;) {
    const found = findRunProcesses(folder, [guardian.pid]);
    if (found.length === 0 || Date.now() > deadline) return found;
    await sleep(POLL_MS);
  }
}
