/** The benchmark's process: `sekali bench`. */
import { WrongSubjectError } from './http/subjects.js';
import { benchCommand } from './options.js';
import { runBench } from './run.js';

const EXIT_INTERRUPTED = 130;

await benchCommand(async (options) => {
  const interrupted = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted.abort(new Error('interrupted'));
    });
  }
  try {
    await runBench(options, interrupted.signal);
    process.exit(0);
  } catch (error) {
    if (interrupted.signal.aborted) process.exit(EXIT_INTERRUPTED);
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`sekali bench: ${text}\n`);
    process.exit(error instanceof WrongSubjectError ? 1 : 2);
  }
}).parseAsync();
