/** `sekali dead-letters`: its subcommands and their exit codes. */
import type { Command } from 'commander';
import { integerOption, newCommand, runAction, type ExitCode } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type * as Run from './run.js';

const HELP = `
A message that a consumer gave up is a dead letter, with the reason. These commands are about those of "store" and of
every other consumer. They ask a gateway, with a key of the scope admin where it asks for keys.

Examples:
  sekali dead-letters list --group                count them by reason
  sekali dead-letters list --fingerprint 1f3870be274f
  sekali dead-letters show store.4711.1764327000123

Exit codes:
  0  done     1  there is no such dead letter     2  no gateway answers, or it refuses the key or an option`;

const LISTED = 20;
const LISTED_MAX = 100_000;

/** Creates the command for the program. */
export function deadLettersCommand(): Command {
  const command = newCommand('dead-letters')
    .summary('list and show messages that were given up')
    .description('Shows what consumers gave up, and why.')
    .addHelpText('after', HELP);
  const list = addFilter(newCommand('list').description('lists dead letters, newest first'))
    .option(
      '--state <states>',
      'all, or some of open, replaying, stored, duplicate, dropped, joined by commas',
    )
    .option('--group', 'count them by reason and fingerprint')
    .option('--limit <count>', 'list this many', integerOption(1, LISTED_MAX), LISTED);
  const show = newCommand('show')
    .description('shows one with its headers, its body and its history')
    .argument('<id>', 'as "list" prints it');
  list.action((options: Run.ListOptions) => runNamed('list', (run) => run.listDeadLetters(options)));
  show.action((id: string, options: Run.ShowOptions) =>
    runNamed('show', (run) => run.showDeadLetter(id, options)),
  );
  for (const one of [list, show]) {
    one.showHelpAfterError(`(sekali dead-letters ${one.name()} --help says more)`);
    addTargetOptions(one.option('--json', 'print one JSON document'), ['gateway']);
    command.addCommand(one);
  }
  return command;
}

function addFilter(command: Command): Command {
  return command
    .option('--consumer <name>', 'of this consumer')
    .option('--topic <topic>', 'of this topic')
    .option('--reason <reason>', 'given up for this reason, such as not_json')
    .option('--fingerprint <fingerprint>', 'of one group, as "list --group" prints it')
    .option('--since <instant>', 'given up at this time or later, such as 2026-11-22T10:00:00Z')
    .option('--until <instant>', 'given up before this time');
}

async function runNamed(name: string, action: (run: typeof Run) => Promise<ExitCode>): Promise<void> {
  await runAction(`dead-letters ${name}`, async () => action(await import('./run.js')));
}
