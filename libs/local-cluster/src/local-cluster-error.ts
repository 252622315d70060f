/** What went wrong on this machine and what to do about it, for the person at the keyboard. */

/**
 * A failure that the user can mend: a busy port, a binary that is missing, a process that did not start.
 *
 * The message is one line and says what to do. `logTail` holds the last lines of the process's own log; they are
 * also the `cause`, so that a test runner prints them.
 */
export class LocalClusterError extends Error {
  override readonly name = 'LocalClusterError';
  constructor(
    message: string,
    readonly logTail: readonly string[] = [],
  ) {
    super(
      message,
      logTail.length > 0 ? { cause: new Error(`end of its log:\n${logTail.join('\n')}`) } : undefined,
    );
  }
}
