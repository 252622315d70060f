/** `sekali rewind`: its options and its help. */
import type { Command } from 'commander';
import { newCommand, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type { RewindOptions } from './run.js';

const HELP = `
For a database that was restored from a backup. The consumer has acknowledged messages since the backup, which the
stream still has, but the database does not. This command deletes the consumer. Setup, or a worker that has the
right, creates it again where the database ends. Everything from there on is delivered again. A message that the
database already has changes nothing.

Workers notice by themselves that a database lacks what was acknowledged, and have it delivered again. With this
command readers never see a moment in which the messages in between count as settled. Use it while the database is
stopped, before the backup is put in its place. Otherwise a worker creates the consumer where the old database ends.

Examples:
  sekali rewind
  docker compose run --rm rewind

Exit codes:
  0  done, or there is no consumer     2  the brokers do not answer, or do not allow it`;

/** Creates the command for the program. */
export function rewindCommand(): Command {
  const command = newCommand('rewind')
    .summary('have everything delivered again that a restored database lacks')
    .description('Forgets how far the consumer has read, so that it begins again where the database ends.')
    .option('--stream <name>', 'the stream (SEKALI_STREAM)')
    .option('--consumer <name>', 'the consumer (SEKALI_CONSUMER)')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['nats']).action(async (options: RewindOptions) => {
    await runAction('rewind', async () => {
      const { runRewind } = await import('./run.js');
      return runRewind(options);
    });
  });
}
