/** `sekali event`: its options and its exit codes. */
import type { Command } from 'commander';
import { integerOption, newCommand, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type { EventOptions } from './run.js';

const HELP = `
The story of one event, in the order of time: when it was published, and by whom; when it was stored; each repeat with
its sequence and its distance; each conflict with what differed; its dead letters, and what was done about them. Repeats
that the brokers dropped are counted per topic only, so they are not in it.

It asks a gateway, with a key of the scope read where it asks for keys.

Examples:
  sekali event orders.created 0197a3c2-7b1e-7000-8000-2f6d1c9e4b5a
  sekali event orders.created 4711 --json

Exit codes:
  0  shown     1  nothing is known of such an event     2  no gateway answers, or it refuses the key or an option`;

const LISTED = 100;
const LISTED_MAX = 100_000;

/** Creates the command for the program. */
export function eventCommand(): Command {
  const command = newCommand('event')
    .summary('tells what happened to one event')
    .description('Tells what happened to one event, in the order of time.')
    .argument('<topic>')
    .argument('<event-id>')
    .option('--limit <count>', 'show this many entries', integerOption(1, LISTED_MAX), LISTED)
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP)
    .action((topic: string, eventId: string, options: EventOptions) =>
      runAction('event', async () => (await import('./run.js')).showStory(topic, eventId, options)),
    );
  return addTargetOptions(command, ['gateway']);
}
