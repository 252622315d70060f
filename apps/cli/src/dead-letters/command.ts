/** `sekali dead-letters`: its subcommands and their exit codes. */
import type { Command } from 'commander';
import { integerOption, newCommand, runAction, type ExitCode } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type * as Held from './held.js';
import type * as Actions from './actions.js';
import type * as Run from './run.js';

const HELP = `
A message that a consumer gave up is a dead letter, with the reason. These commands are about those of "store" and of
every other consumer. They ask a gateway, with a key of the scope admin where it asks for keys. What was done is kept,
with the name of the key and the reason.

A replay publishes the message again and keeps its event id, so the event takes effect once, whatever is repeated. One
that fails again is the same dead letter, open again. A message that is not an event needs a mended one (--event).
Without an id, the options select the dead letters; then --dry-run only counts.

"held" and "release" are for a consumer whose handler has an order and holds keys. They ask the database of its inbox.

Examples:
  sekali dead-letters list --group                count them by reason
  sekali dead-letters list --fingerprint 1f3870be274f
  sekali dead-letters show store.4711.1764327000123
  sekali dead-letters replay --fingerprint 1f3870be274f --dry-run
  sekali dead-letters replay --topic orders.created --why "the handler was mended"
  sekali dead-letters replay store.4711.1764327000123 --event mended.json
  sekali dead-letters drop store.4711.1764327000123 --why "a test of the sender"
  sekali dead-letters held --schema inbox --consumer ledger
  sekali dead-letters release ada --schema inbox --consumer ledger --again

Exit codes:
  0  done
  1  there is no such dead letter, some could not be replayed or dropped, or the key is not held
  2  no gateway or database answers, or it refuses the key or an option`;

const LISTED = 20;
const LISTED_MAX = 100_000;

/** Creates the command for the program. */
export function deadLettersCommand(): Command {
  const command = newCommand('dead-letters')
    .summary('list, show, replay and drop messages that were given up')
    .description('Shows what consumers gave up and why, publishes it again, or gives it up for good.')
    .addHelpText('after', HELP);
  for (const one of [listCommand(), showCommand(), replayCommand(), dropCommand()]) {
    one.showHelpAfterError(`(sekali dead-letters ${one.name()} --help says more)`);
    addTargetOptions(one.option('--json', 'print one JSON document'), ['gateway']);
    command.addCommand(one);
  }
  for (const one of [heldCommand(), releaseCommand()]) {
    one.showHelpAfterError(`(sekali dead-letters ${one.name()} --help says more)`);
    one
      .requiredOption('--consumer <name>', 'the consumer, as its handler is named')
      .option('--schema <schema>', 'the schema of its inbox', 'inbox')
      .option('--json', 'print one JSON document');
    command.addCommand(addTargetOptions(one, ['postgres']));
  }
  return command;
}

function listCommand(): Command {
  return addFilter(newCommand('list').description('lists dead letters, newest first'))
    .option(
      '--state <states>',
      'all, or some of open, replaying, stored, duplicate, dropped, joined by commas',
    )
    .option('--group', 'count them by reason and fingerprint')
    .option('--limit <count>', 'list this many', integerOption(1, LISTED_MAX), LISTED)
    .action((options: Run.ListOptions) =>
      runNamed('list', async () => (await reading()).listDeadLetters(options)),
    );
}

function showCommand(): Command {
  return newCommand('show')
    .description('shows one with its headers, its body and its history')
    .argument('<id>', 'as "list" prints it')
    .action((id: string, options: Run.ShowOptions) =>
      runNamed('show', async () => (await reading()).showDeadLetter(id, options)),
    );
}

function replayCommand(): Command {
  return addFilter(newCommand('replay').description('publishes one again, or those that the options select'))
    .argument('[id]', 'as "list" prints it')
    .option('--event <file>', 'publish the event of this file instead, for one id')
    .option('--force', 'also one that was dropped, or is being replayed; for one id')
    .option('--all', 'all that are open, if no other option selects')
    .option('--why <reason>', 'the reason that is kept')
    .option('--dry-run', 'only count')
    .action((id: string | undefined, options: Actions.ReplayOptions) =>
      runNamed('replay', async () => (await acting()).replayDeadLetters(id, options)),
    );
}

function dropCommand(): Command {
  return addFilter(newCommand('drop').description('gives one up for good, or those that the options select'))
    .argument('[id]', 'as "list" prints it')
    .option('--force', 'also one that is being replayed; for one id')
    .option('--all', 'all that are open, if no other option selects')
    .option('--why <reason>', 'the reason that is kept; needed')
    .option('--dry-run', 'only count')
    .action((id: string | undefined, options: Actions.ActionOptions) =>
      runNamed('drop', async () => (await acting()).dropDeadLetters(id, options)),
    );
}

function heldCommand(): Command {
  return newCommand('held')
    .description('lists keys whose events wait behind a dead letter, the oldest first')
    .option('--limit <count>', 'list this many', integerOption(1, LISTED_MAX), LISTED)
    .action((options: Held.HeldListOptions) =>
      runNamed('held', async () => (await holding()).listHeld(options)),
    );
}

function releaseCommand(): Command {
  return newCommand('release')
    .description('has the events of a key go on')
    .argument('<key>', 'as "held" prints it')
    .option('--skip', 'the dead letter stays one')
    .option('--again', 'the dead letter is processed once more, before those behind it')
    .action((key: string, options: Held.ReleaseOptions) =>
      runNamed('release', async () => (await holding()).releaseHeld(key, options)),
    );
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

const reading = async (): Promise<typeof Run> => import('./run.js');
const holding = async (): Promise<typeof Held> => import('./held.js');
const acting = async (): Promise<typeof Actions> => import('./actions.js');

async function runNamed(name: string, action: () => Promise<ExitCode>): Promise<void> {
  await runAction(`dead-letters ${name}`, action);
}
