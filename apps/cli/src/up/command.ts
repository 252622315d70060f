/** The options of `sekali up`: what they mean, their defaults and their bounds. */
import { InvalidArgumentError, Option, type Command } from 'commander';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';
import type { UpOptions } from './options.js';
import { runUp, type UpSurroundings } from './run.js';

const EXAMPLES = `
Examples:
  sekali up                        the whole system; its data stays in .sekali/ of the clone
  sekali up --ephemeral            in addition to another one: free ports, temporary data
  sekali up --nodes 1 --workers 1  as little as possible
  sekali up --accounts             a service that publishes and consumes exactly once, as an example
  sekali up --json | jq .          for machines: one JSON object per line

The line that begins with "ready" has all addresses and the pid of each process.
A process that dies is started again. Ctrl-C stops all of them in order; a second Ctrl-C kills them.
SEKALI_NATS_SERVER (a file) and SEKALI_POSTGRES_BIN (a directory) replace the programs from npm by your own.`;

/** Adds `up` to the program. */
export function registerUp(program: Command, surroundings: UpSurroundings = {}): void {
  program
    .command('up')
    .summary('start the whole system on this machine, without Docker')
    .description(
      'Starts brokers, Postgres, gateways and workers on this machine, each as a process on 127.0.0.1.',
    )
    .addOption(
      new Option('--ephemeral', 'take free ports and a temporary directory, and leave nothing behind')
        .default(false)
        .conflicts(['port', 'natsPort', 'postgresPort', 'data']),
    )
    .option('--port <port>', 'port of the first gateway; further ones take the next', port, 8080)
    .option('--nats-port <port>', 'client port of the first broker; further ones take the next', port, 4222)
    .option('--postgres-port <port>', 'port of Postgres', port, 5442)
    .option('--data <directory>', 'folder of the data', join(findRepositoryRoot(), '.sekali'))
    .addOption(new Option('--nodes <count>', 'brokers').choices(['1', '3', '5']).default(3).argParser(nodes))
    .option('--workers <count>', 'workers', between(0, 64), 2)
    .option('--gateways <count>', 'gateways', between(1, 16), 1)
    .option(
      '--accounts',
      'the example of a service as well: POST /payments on a free port, and balances',
      false,
    )
    .option(
      '--sync-interval <duration>',
      'how often brokers call fsync: "always", or such as 500ms, 1s, 2m',
      duration,
    )
    .option('--json', 'print only JSON, one object per line', false)
    .addHelpText('after', EXAMPLES)
    .action(async (options: UpOptions) => {
      const code = await runUp(options, surroundings);
      await Promise.all([flush(process.stdout), flush(process.stderr)]);
      // When Node ends by itself, it removes its signal handlers first. A Ctrl-C at that moment would decide the exit
      // code.
      process.exit(code);
    });
}

/** Resolves when everything written so far has been read, or when there is no reader any more. */
async function flush(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise<void>((resolve) => stream.write('', () => resolve()));
}

function port(text: string): number {
  return between(1, 65_535)(text);
}

function nodes(text: string): number {
  if (!['1', '3', '5'].includes(text)) throw new InvalidArgumentError('It must be 1, 3 or 5.');
  return Number(text);
}

function between(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < min || value > max) {
      throw new InvalidArgumentError(`It must be a whole number from ${min} to ${max}.`);
    }
    return value;
  };
}

function duration(text: string): string {
  if (!/^(always|[1-9]\d*(ms|s|m|h))$/.test(text)) {
    throw new InvalidArgumentError('It must be "always" or a duration such as 500ms, 1s or 2m.');
  }
  return text;
}
