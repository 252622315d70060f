/** Where the upkeep of keys reports to. A logger such as pino fits. */
export interface KeyLog {
  info(fields: object, text: string): void;
  warn(fields: object, text: string): void;
}
