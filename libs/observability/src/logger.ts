/** Writes one JSON line per log entry to standard error, so that standard output stays free for a program's results. */
import { destination, pino, type Logger } from 'pino';

export type { Logger };

/**
 * Creates the logger of a process.
 *
 * @param name the kind of process, for example `worker`
 * @param level least important level that is logged: trace, debug, info, warn, error, fatal or silent
 */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, base: { name, pid: process.pid } }, destination({ dest: 2, sync: true }));
}
