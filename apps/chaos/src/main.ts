/** The judge's process: `sekali chaos`. */
import { chaosCommand, type ChaosOptions } from './options.js';
import { ReportFolderError } from './report/report-folder.js';
import { Interrupted, runChaos } from './run.js';

/** From a terminal and from the command that started us, one Ctrl-C may arrive twice. */
const SAME_SIGNAL_MS = 500;

await chaosCommand(async (options) => {
  process.exit(await endOf(options));
}).parseAsync();

async function endOf(options: ChaosOptions): Promise<number> {
  const interrupted = new AbortController();
  let firstAt: number | undefined;
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      firstAt ??= performance.now();
      if (performance.now() - firstAt > SAME_SIGNAL_MS) process.exit(130);
      interrupted.abort(new Interrupted('Interrupted: stopping the system …'));
    });
  }
  try {
    return await runChaos(options, interrupted.signal);
  } catch (error) {
    if (interrupted.signal.aborted) return 130;
    const known = error instanceof ReportFolderError;
    const text = error instanceof Error ? (known ? error.message : error.stack) : String(error);
    process.stderr.write(`sekali chaos: ${text}\n`);
    return 2;
  }
}
