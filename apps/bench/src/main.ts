/** The benchmark's process: `sekali bench`. */
import { setMaxListeners } from 'node:events';
import { exitCodeOf } from './exit-code.js';
import { benchCommand } from './options.js';
import { runBench } from './run.js';

await benchCommand(async (options) => {
  const interrupted = new AbortController();
  // Every program of three systems listens to this signal.
  setMaxListeners(0, interrupted.signal);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.on(signal, () => {
      interrupted.abort(new Error('interrupted'));
    });
  }
  try {
    await runBench(options, interrupted.signal);
    process.exit(0);
  } catch (error) {
    const { aborted } = interrupted.signal;
    const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
    process.stderr.write(`sekali bench: ${aborted ? 'interrupted' : text}\n`);
    process.exit(exitCodeOf(error, aborted));
  }
}).parseAsync();
