/** `sekali retention`: its options and its help. */
import type { Command } from 'commander';
import { newCommand, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type { RetentionCommandOptions } from './run.js';

const HELP = `
How long payloads are kept is set for setup, in SEKALI_RETENTION, such as logs.>=7d,>=90d. Workers drop older ones by
themselves, every ten minutes. This command shows what is due, or drops it now. The ids stay, so a repeat of an event
long gone is still a duplicate. Only SEKALI_RETENTION_IDS_DAYS has ids forgotten: a repeat is then a new event.

Duplicates, conflicts and dead letters have ages of their own. They are dropped when their messages have left the
stream, as far as a worker has noted that.

A day whose events are all older than their rules is dropped at once. Of other days, rows are deleted in small batches.
It may be interrupted at any time.

Examples:
  sekali retention --dry-run             what would go, by day and topic
  sekali retention --dry-run --json | jq '[.payloads[].bytes] | add'
  sekali retention                       drop it now

Exit codes:
  0    done; nothing that is due is left
  1    some is left, because another process drops it or reads the rows without a pause
  2    the database cannot be reached, has no schema yet, or refuses the role
  130  interrupted`;

/** Creates the command for the program. */
export function retentionCommand(): Command {
  const command = newCommand('retention')
    .summary('show or drop the payloads that are older than their rule')
    .description('Drops payloads that are older than the rule of their topic.')
    .option('--dry-run', 'only count what would be dropped')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['postgres']).action(async (options: RetentionCommandOptions) => {
    await runAction('retention', async () => {
      // The import is here because what talks to the database takes longer to load than the rest of the program.
      const { runRetention } = await import('./run.js');
      return runRetention(options);
    });
  });
}
