/** Levels of log records: what loggers write, and the one name that each becomes. */

/** The words of each level, in small letters, from the least severe level on. */
export const LEVEL_SPELLINGS = {
  trace: ['trace', 'trc', 'verbose', 'finest', 'finer', 'vrb'],
  debug: ['debug', 'dbg', 'debu', 'fine', 'config', 'debug1', 'debug2', 'debug3', 'debug4', 'debug5'],
  info: ['info', 'inf', 'information', 'informational', 'log'],
  notice: ['notice', 'note'],
  warn: ['warn', 'warning', 'wrn'],
  error: ['error', 'err', 'eror', 'severe', 'fail'],
  critical: ['critical', 'crit'],
  fatal: ['fatal', 'ftl', 'panic', 'dpanic'],
  alert: ['alert'],
  emergency: ['emergency', 'emerg'],
} as const satisfies Readonly<Record<string, readonly string[]>>;

/** The name of a level. */
export type Level = keyof typeof LEVEL_SPELLINGS;

/** All levels, the least severe first. */
export const LEVELS = Object.keys(LEVEL_SPELLINGS) as readonly Level[];
