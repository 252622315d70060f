/** `sekali` as a process, in the environment of a system. */
import { execFile } from 'node:child_process';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';

const MAIN = join(findRepositoryRoot(), 'dist/apps/cli/src/main.js');
const ENDS_TIMEOUT_MS = 120_000;

/** How a command ended. */
export interface CommandEnd {
  readonly code: number | string | null;
  readonly output: string;
}

/** Runs it to its end. A failure is a result, too. */
export function sekali(
  environment: Readonly<Record<string, string>>,
  ...args: readonly string[]
): Promise<CommandEnd> {
  const env = { ...environment, PATH: process.env['PATH'] ?? '' };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      [MAIN, ...args],
      { cwd: tmpdir(), env, timeout: ENDS_TIMEOUT_MS },
      (error, stdout, stderr) => {
        resolve({ code: error ? (error.code ?? null) : 0, output: `${stdout}${stderr}` });
      },
    );
  });
}
