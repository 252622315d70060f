/**
 * A subcommand that is a separate program: the judge, which must share no code with what it judges.
 *
 * It gets the rest of the command line unchanged and prints its own help. Signals are passed on, and its exit code is
 * ours.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Command } from 'commander';
import { systemEnvironment } from '#config';
import { findRepositoryRoot } from '#local-cluster';

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
/** What a shell reports for a program that SIGKILL has ended. */
const EXIT_KILLED = 137;

/**
 * The command `name`, which runs `apps/<name>` with the arguments that follow it.
 *
 * @param heapMebibytesMax garbage beyond this is collected before more memory is taken
 */
export function programCommand(name: string, summary: string, heapMebibytesMax: number): Command {
  return new Command(name)
    .summary(summary)
    .description(`${summary}. "sekali ${name} --help" says more.`)
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .argument('[options...]')
    .action(async (rest: string[]) => {
      const script = join(findRepositoryRoot(), 'dist/apps', name, 'src/main.js');
      process.exit(await runProgram([`--max-old-space-size=${heapMebibytesMax}`, script, ...rest]));
    });
}

async function runProgram(args: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, args, { stdio: 'inherit', env: systemEnvironment() });
  // From a terminal, Ctrl-C reaches the child directly. The child takes two signals that follow closely for one.
  for (const signal of SIGNALS) process.on(signal, () => child.kill(signal));
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? EXIT_KILLED;
}
