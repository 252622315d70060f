import { classifyDatabaseError, type DatabaseFailure } from '#postgres';

/** What else is known of a handler's failure. */
interface Circumstances {
  /** The sequence of the event, if the handler is called with one event at a time. */
  readonly seq?: number | undefined;
  /** Whether it exceeded a time limit, whatever the error says. */
  readonly isTooSlow?: boolean;
  /** Whether the call did not return, so that it may still use its connection. */
  readonly isAbandoned?: boolean;
}

/**
 * A failure of a handler; `cause` is what it threw.
 *
 * An SQLSTATE does not say whose error it is: a handler may misspell a table, and an inbox may miss one. So
 * the handler's errors are wrapped at the call. Only an error that is not wrapped can be an outage.
 */
export class HandlerError extends Error {
  override readonly name = 'HandlerError';

  constructor(
    override readonly cause: unknown,
    readonly circumstances: Circumstances = {},
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** A handler did not return within its time limit. */
export class HandlerTimeoutError extends Error {
  override readonly name = 'HandlerTimeoutError';

  constructor(handler: string, msMax: number) {
    super(`handler "${handler}" did not return within ${msMax} ms`);
  }
}

/**
 * A statement failed, and the handler continued as if it had succeeded. Postgres refuses every further
 * statement in such a transaction.
 */
export class SwallowedError extends Error {
  override readonly name = 'SwallowedError';

  constructor(handler: string, cause: unknown) {
    const text = cause === undefined ? 'its error was not seen here' : describe(cause);
    super(
      `a statement of handler "${handler}" failed, and the handler swallowed the error (${text}): ` +
        'the transaction cannot be committed; rethrow the error, or use a savepoint',
      { cause },
    );
  }
}

/** Returns what a handler threw, or the error itself if no handler threw it. */
export function rootOf(error: unknown): unknown {
  return error instanceof HandlerError ? error.cause : error;
}

/** Returns the sequence of the event whose handler failed, if it is known. */
export function culpritOf(error: unknown): number | undefined {
  return error instanceof HandlerError ? error.circumstances.seq : undefined;
}

/** Classifies a failure. A handler's error is never an outage, even if it resembles one. */
export function failureOf(error: unknown): DatabaseFailure {
  if (!(error instanceof HandlerError)) return classifyDatabaseError(error);
  if (error.circumstances.isTooSlow === true) return 'timeout';
  const failure = classifyDatabaseError(error.cause);
  return failure === 'outage' ? 'other' : failure;
}

/** Describes an error in words, with its SQLSTATE if it has one. */
export function describe(error: unknown): string {
  const root = rootOf(error);
  if (!(root instanceof Error)) return String(root);
  const code = (root as { code?: unknown }).code;
  return typeof code === 'string' ? `${code}: ${root.message}` : root.message;
}
