/** `sekali audit`: its options and its help. */
import type { Command } from 'commander';
import { integerOption, newCommand, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type { AuditOptions } from './run.js';

const HELP = `
Every sequence of the stream must have exactly one end: stored, duplicate or dead letter. One that has none
may be in flight, if the consumer has not acknowledged it and the stream still has it; otherwise it is missing.
For the newest messages and some others, the audit compares the message in the stream with the database. Brokers
that were restored or lost power may have another message under the same sequence.
The counters must equal the rows, and every event must have its key. The audit reads one consistent snapshot
and may run while the system works. The result is kept in the database, and the page shows it.

Examples:
  sekali audit                  after npm start, without any setting
  sekali audit --wait 30        wait first until nothing is in flight
  sekali audit --json | jq .verdict

Exit codes:
  0  whole     1  violated     2  unknown (no answer from the brokers or the database, no stream, no schema)`;

/** Creates the command for the program. */
export function auditCommand(): Command {
  const command = newCommand('audit')
    .summary('prove that every message is accounted for exactly once')
    .description('Compares the stream with the database: is every message there, and is it there once?')
    .option(
      '--wait <seconds>',
      'wait until nothing is in flight, at most this long',
      integerOption(0, 86_400),
      0,
    )
    .option('--timeout <seconds>', 'give up after this time', integerOption(1, 86_400), 3_600)
    .option('--stream <name>', 'the stream (SEKALI_STREAM)')
    .option('--consumer <name>', 'the consumer that stores (SEKALI_CONSUMER)')
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['nats', 'postgres']).action(async (options: AuditOptions) => {
    await runAction('audit', async () => {
      // The import is here because what talks to the database takes longer to load than the rest of the program.
      const { runAudit } = await import('./run.js');
      return runAudit(options);
    });
  });
}
