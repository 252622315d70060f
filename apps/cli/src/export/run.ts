/** Runs `sekali export`. */
import { mkdir } from 'node:fs/promises';
import { CommandError, errorLine, type ExitCode } from '../command-error.js';
import { print, printJson } from '../output.js';
import { withDatabase } from '../target-database.js';
import type { TargetOptions } from '../target.js';
import { Interruption } from '../up/interruption.js';
import { EventExport, type Selection } from './event-export.js';
import { exportDocument, exportReport } from './report.js';

/** The options that the user chose. */
export interface ExportOptions extends TargetOptions, Selection {
  readonly parquet: string;
  readonly json?: boolean;
}

/** A file takes as long as its topic and day have events. */
const FILE_MS_MAX = 6 * 3_600_000;
const DATABASE = { name: 'sekali-export', what: 'events', answerMsMax: FILE_MS_MAX };

/** Exports, prints, and returns the exit code. Throws `CommandError` (2). */
export async function exportEvents(options: ExportOptions): Promise<ExitCode> {
  const interruption = new Interruption(() => process.exit(130));
  try {
    await mkdir(options.parquet, { recursive: true }).catch((error: unknown) => {
      throw new CommandError(`cannot write to ${options.parquet}: ${errorLine(error)}`, 2, { cause: error });
    });
    const exported = await withDatabase(options, DATABASE, (pool) =>
      new EventExport(pool, options.parquet, options, interruption.signal).run(),
    );
    if (options.json === true) await printJson(exportDocument(exported));
    else await print(exportReport(exported));
    return exported.isInterrupted ? 130 : 0;
  } finally {
    interruption.close();
  }
}
