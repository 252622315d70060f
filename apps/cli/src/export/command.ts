/** `sekali export`: its options and its exit codes. */
import type { Command } from 'commander';
import { topicFilterError } from '#contracts';
import { newCommand, ruledOption, runAction } from '../command-error.js';
import { addTargetOptions } from '../target.js';
import type { ExportOptions } from './run.js';

const HELP = `
Writes stored events to Parquet files, one for each topic and each day in UTC on which events were stored:
topic=orders.created/day=2026-11-22/part.parquet. DuckDB reads such a folder as one table.

A file that is there is whole, whatever ended the command. A later run leaves the files of closed days as they are,
and adds what is missing. A day is closed one hour after its end; until then each run writes its files again. Files
stay when retention drops the payloads. Use a folder for each system.

It reads the database, and the role sekali_reader suffices.

Examples:
  sekali export --parquet events
  sekali export --parquet events --topic 'orders.>' --since 2026-11-01 --until 2026-12-01
  duckdb -c "SELECT topic, count(*) FROM 'events/*/*/*.parquet' GROUP BY ALL"

Exit codes:
  0  exported     2  the database does not answer, or a file cannot be written     130  interrupted`;

/** Creates the command for the program. */
export function exportCommand(): Command {
  const command = newCommand('export')
    .summary('writes stored events to Parquet files, one for each topic and day')
    .description('Writes stored events to Parquet files, one for each topic and day.')
    .requiredOption('--parquet <folder>', 'the folder to write to; it is created')
    .option('--topic <topic>', 'a topic, or a pattern such as logs.>', ruledOption(topicProblem))
    .option(
      '--since <day>',
      'what was stored from this day on, such as 2026-11-22, in UTC',
      ruledOption(dayProblem),
    )
    .option('--until <day>', 'what was stored before this day', ruledOption(dayProblem))
    .option('--json', 'print one JSON document')
    .addHelpText('after', HELP);
  return addTargetOptions(command, ['postgres']).action(async (options: ExportOptions) => {
    // The import is here because what writes Parquet takes longer to load than the rest of the program.
    await runAction('export', async () => (await import('./run.js')).exportEvents(options));
  });
}

function topicProblem(text: unknown): string | undefined {
  const problem = topicFilterError(String(text));
  return problem === undefined ? undefined : `It must be ${problem}`;
}

function dayProblem(value: unknown): string | undefined {
  const text = String(value);
  const instant = new Date(/^\d{4}-\d{2}-\d{2}$/.test(text) ? text : Number.NaN);
  // Otherwise the 30th of February would be a day of March.
  const isDay = !Number.isNaN(instant.getTime()) && instant.toISOString().startsWith(text);
  return isDay ? undefined : 'It must be a day such as 2026-11-22';
}
