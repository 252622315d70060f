/**
 * What the log keeps of an error: enough to find its cause, and nothing of a payload.
 *
 * A payload is a secret of its producer, and logs go further than a database does. But errors quote what they are about:
 * those of JSON the text, and those of Postgres the value in the message, or the whole row in `detail`. So only members
 * that never have a value are kept. Of messages that may have one, the quoted part is left out.
 */

/** Members of Postgres's errors that name parts of the schema. Its `detail`, `where` and `hint` may quote a row. */
const SCHEMA_MEMBERS = ['code', 'severity', 'schema', 'table', 'column', 'constraint', 'routine'] as const;
/** A value or a row is wrong. */
const ABOUT_A_VALUE = /^2[23]...$/;
/** A function or a trigger says what it likes. */
const RAISED = /^P0...$/;
/** A quoted text may have quotation marks, so this is from the first to the last. */
const QUOTED = /["'].*["']/s;
const FRAMES_MAX = 12;
const CAUSES_MAX = 4;

/** An error as a member of a line. */
export interface LoggedError {
  readonly type: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: LoggedError;
  readonly [member: string]: unknown;
}

/** Returns the members that the log keeps, with those of its causes. */
export function loggedError(error: unknown, causesMax = CAUSES_MAX): LoggedError {
  if (!(error instanceof Error)) return { type: typeof error, message: String(error) };
  const members = error as unknown as Readonly<Record<string, unknown>>;
  const known = SCHEMA_MEMBERS.filter((name) => typeof members[name] === 'string');
  const frames = (error.stack ?? '').split('\n').filter((line) => /^\s+at /.test(line));
  return {
    type: error.name,
    message: messageOf(error),
    ...Object.fromEntries(known.map((name) => [name, members[name]])),
    ...(frames.length > 0 && { stack: frames.slice(0, FRAMES_MAX).join('\n') }),
    ...(error.cause !== undefined && causesMax > 0 && { cause: loggedError(error.cause, causesMax - 1) }),
  };
}

/** The same in a few words, for a line in which an error is not the point. */
export function errorText(error: unknown): string {
  const { type, message } = loggedError(error, 0);
  return error instanceof Error ? `${type}: ${message}` : message;
}

function messageOf(error: Error): string {
  const quoting = quotingIn(error);
  if (quoting === undefined) return error.message;
  return quoting === 'anything' ? '(left out)' : error.message.replace(QUOTED, '…');
}

/** What the message of an error may quote. An error that wraps another one often repeats its message. */
function quotingIn(error: Error, depth = CAUSES_MAX): 'a value' | 'anything' | undefined {
  const { code } = error as { code?: unknown };
  const state = typeof code === 'string' ? code : '';
  if (RAISED.test(state)) return 'anything';
  if (ABOUT_A_VALUE.test(state) || error.name === 'SyntaxError') return 'a value';
  return error.cause instanceof Error && depth > 0 ? quotingIn(error.cause, depth - 1) : undefined;
}
