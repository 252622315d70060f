/**
 * A failure that the user can solve: a busy port, a missing binary, a process that did not start.
 *
 * The message is one line and says what to do. `logTail` holds the last lines of the process's own log. They are also
 * the `cause`, so that a test runner prints them.
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
