/**
 * What is a handler's own fault, told apart from what happened to its connection and from what the inbox met.
 *
 * An SQLSTATE does not say whose error it is: a handler may misspell a table as well as an inbox may miss one. So what a
 * handler throws is wrapped where it is called, and only what is not wrapped may be an outage.
 */
import { classifyDatabaseError, type DatabaseFailure } from '#postgres';

/** What else is known of a handler's failure. */
interface Circumstances {
  /** The event that it was called with, where it is called with one at a time. */
  readonly seq?: number | undefined;
  /** It met a bound, whatever the error says. */
  readonly isTooSlow?: boolean;
  /** It did not return, so that its connection may be in use by it. */
  readonly isAbandoned?: boolean;
}

/** A failure of a handler. `cause` is what it threw. */
export class HandlerError extends Error {
  override readonly name = 'HandlerError';

  constructor(
    override readonly cause: unknown,
    readonly circumstances: Circumstances = {},
  ) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
  }
}

/** A handler did not return within its bound. */
export class HandlerTimeoutError extends Error {
  override readonly name = 'HandlerTimeoutError';

  constructor(handler: string, msMax: number) {
    super(`handler "${handler}" did not return within ${msMax} ms`);
  }
}

/** A statement failed, and the handler went on as if it had not. Postgres takes nothing more in such a transaction. */
export class SwallowedError extends Error {
  override readonly name = 'SwallowedError';

  constructor(handler: string, cause: unknown) {
    const text = cause === undefined ? 'its error was not seen here' : describe(cause);
    super(
      `a statement of handler "${handler}" failed, and the handler kept quiet about it (${text}): ` +
        'the transaction cannot be committed; let the error through, or use a savepoint',
      { cause },
    );
  }
}

/** What a handler threw, or the error itself where no handler threw it. */
export function rootOf(error: unknown): unknown {
  return error instanceof HandlerError ? error.cause : error;
}

/** What a failure means. Nothing that a handler throws is an outage, whatever it looks like. */
export function failureOf(error: unknown): DatabaseFailure {
  if (!(error instanceof HandlerError)) return classifyDatabaseError(error);
  if (error.circumstances.isTooSlow === true) return 'timeout';
  const failure = classifyDatabaseError(error.cause);
  return failure === 'outage' ? 'other' : failure;
}

/** An error in words, with its code where Postgres gave it one. */
export function describe(error: unknown): string {
  const root = rootOf(error);
  if (!(root instanceof Error)) return String(root);
  const code = (root as { code?: unknown }).code;
  return typeof code === 'string' ? `${code}: ${root.message}` : root.message;
}
