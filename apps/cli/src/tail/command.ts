/** `sekali tail`: its options and its exit codes. */
import type { Command } from 'commander';
import { newCommand, runAction } from '../command-error.js';
import { addFilterOptions, FILTER_HELP } from '../events/filter-options.js';
import { addTargetOptions } from '../target.js';
import type { TailOptions } from './run.js';

const HELP = `
Follows events as they are stored, one line each, until Ctrl-C. ${FILTER_HELP}

It asks a gateway, with a key of the scope read where it asks for keys. When the gateway does not answer, it tries again
and misses nothing: it goes on behind the last event that it has shown.

Examples:
  sekali tail
  sekali tail --topic 'logs.>' --min-level warn
  sekali tail --where payload.status:500 --json

Exit codes:
  0  ended with Ctrl-C     2  no gateway has answered, or it refuses the key or an option`;

/** Creates the command for the program. */
export function tailCommand(): Command {
  const command = newCommand('tail')
    .summary('follows events as they are stored')
    .description('Follows events as they are stored.')
    .option('--json', 'print one JSON document a line')
    .addHelpText('after', HELP)
    .action((options: TailOptions) =>
      runAction('tail', async () => (await import('./run.js')).followEvents(options)),
    );
  return addTargetOptions(addFilterOptions(command), ['gateway']);
}
