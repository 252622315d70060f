/** The `sekali` command. Each subcommand is in its own file and registers itself here, with one line. */
import { Command } from 'commander';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { findRepositoryRoot } from '#local-cluster';
import { auditCommand } from './audit/command.js';
import { deadLettersCommand } from './dead-letters/command.js';
import { eventCommand } from './event/command.js';
import { eventsCommand } from './events/command.js';
import { exportCommand } from './export/command.js';
import { keysCommand } from './keys/command.js';
import { programCommand } from './program.js';
import { retentionCommand } from './retention/command.js';
import { shipCommand } from './ship/command.js';
import { simulateCommand } from './simulate/command.js';
import { rewindCommand } from './rewind/command.js';
import { tailCommand } from './tail/command.js';
import { registerUp } from './up/command.js';
import { webhooksCommand } from './webhooks/command.js';

const { version, description } = JSON.parse(
  readFileSync(join(findRepositoryRoot(), 'package.json'), 'utf8'),
) as {
  version: string;
  description: string;
};

const program = new Command('sekali')
  .description(description)
  .enablePositionalOptions()
  .version(version, '-V, --version', 'print the version')
  .helpOption('-h, --help', 'print help; "sekali help <command>" explains one command')
  .showHelpAfterError('Run with --help to see what is possible.');

registerUp(program);
program.addCommand(shipCommand());
program.addCommand(simulateCommand());
program.addCommand(auditCommand());
program.addCommand(deadLettersCommand());
program.addCommand(eventsCommand());
program.addCommand(tailCommand());
program.addCommand(eventCommand());
program.addCommand(exportCommand());
program.addCommand(keysCommand());
program.addCommand(webhooksCommand());
program.addCommand(rewindCommand());
program.addCommand(retentionCommand());
program.addCommand(
  // This is enough to judge a million messages.
  programCommand('chaos', 'break the system on purpose, and prove that nothing was lost or done twice', 256),
);
program.addCommand(programCommand('bench', 'measure the whole path against its ceilings in one run', 2_048));

await program.parseAsync();
