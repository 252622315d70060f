/** Logs: one JSON line an entry, to standard error, so that standard output stays free for what a program prints. */
import { destination, pino, type Logger } from 'pino';

export type { Logger };

/**
 * Makes the logger of a process.
 *
 * @param name what the process is, for example `worker`
 * @param level least important level that is logged: trace, debug, info, warn, error, fatal or silent
 */
export function createLogger(name: string, level: string): Logger {
  return pino({ name, level, base: { name, pid: process.pid } }, destination({ dest: 2, sync: true }));
}
