/** `sekali events`: its options and its exit codes. */
import type { Command } from 'commander';
import { integerOption, newCommand, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import { addFilterOptions, FILTER_HELP } from './filter-options.js';
import type { EventsOptions } from './run.js';

const HELP = `
Stored events, one line each: oldest first, or newest first with --newest. ${FILTER_HELP}

It asks a gateway, with a key of the scope read where it asks for keys. A search through many events takes several
requests; on a terminal, stderr says how far it is.

Examples:
  sekali events --topic 'orders.>' --newest --limit 20
  sekali events --where payload.status:500 --text timeout --since 2026-11-22T00:00:00Z
  sekali events --min-level error --json

Exit codes:
  0  shown     2  no gateway answers, or it refuses the key or an option     130  interrupted`;

const LISTED = 100;
const LISTED_MAX = 10_000_000;

/** Creates the command for the program. */
export function eventsCommand(): Command {
  const command = newCommand('events')
    .summary('lists stored events, and searches through them')
    .description('Lists stored events, and searches through them.')
    .option('--newest', 'newest first')
    .option('--limit <count>', 'show this many events', integerOption(1, LISTED_MAX), LISTED)
    .option('--json', 'print one JSON document a line')
    .addHelpText('after', HELP)
    .action((options: EventsOptions) =>
      runAction('events', async () => (await import('./run.js')).listEvents(options)),
    );
  return addTargetOptions(addFilterOptions(command), ['gateway']);
}
