/** Refusals as problems of RFC 9457. They are thrown anywhere, and written by one filter. */
import { STATUS_CODES } from 'node:http';
import type { Problem } from '#contracts';

/** Headers of an answer. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** A request that ends with a problem. */
export class ProblemError extends Error {
  override readonly name = 'ProblemError';

  /**
   * @param problem all that the client gets
   * @param headers for example `Retry-After`
   */
  constructor(
    readonly problem: Problem,
    readonly headers: AnswerHeaders = {},
    options?: ErrorOptions,
  ) {
    super(problem.detail ?? problem.title, options);
  }
}

/** The kinds of problems: the last part of their `type`, and their title. */
const TITLES = {
  'malformed-request': 'The request cannot be read',
  'malformed-json': 'The body is not JSON',
  'invalid-parameter': 'A query parameter is wrong',
  'invalid-cursor': 'The cursor is not valid',
  'invalid-body': 'The body does not have a form that can be published',
  'invalid-events': 'Events are invalid; nothing was published',
  'invalid-records': 'Some records are invalid; the others were published',
  'unsupported-type': 'The body has another type than JSON',
  'too-large': 'The request is too large',
  'tiny-chunks': 'The body arrives in tiny chunks',
  'too-slow': 'The body arrives too slowly',
  'wrong-host': 'This gateway does not serve the host',
  'no-key': 'An API key is needed',
  'no-signature': 'A valid signature is needed',
  'missing-scope': 'The API key does not have the scope for this',
  'missing-topic': 'The API key does not cover the topic',
  'too-many-requests': 'Too many requests',
  'unknown-event': 'There is no such event',
  'unknown-dead-letter': 'There is no such dead letter',
  'unknown-page-file': 'The page has no such file',
  'not-replayable': 'The message is not an event',
  'invalid-action': 'The body does not describe the action',
  'acted-on': 'The dead letter was acted on already',
  'payload-dropped': 'The payload was dropped by age',
  'not-published': 'The brokers do not have every event',
  busy: 'The gateway is busy',
  unavailable: 'A part of the system does not answer',
  'not-ready': 'This gateway cannot do its work now',
  stopping: 'This gateway is stopping',
} as const;

/** The kind of a problem. */
export type ProblemKind = keyof typeof TITLES;

/** Creates a problem of a kind. `detail` says what is wrong in this case and what to do. */
export function problem(
  kind: ProblemKind,
  status: number,
  detail: string,
  extensions: Readonly<Record<string, unknown>> = {},
): Problem {
  return { type: `urn:sekali:problem:${kind}`, title: TITLES[kind], status, detail, ...extensions };
}

/** A problem that its HTTP status explains. */
export function plainProblem(status: number, detail?: string): Problem {
  const title = STATUS_CODES[status] ?? 'Error';
  return { type: 'about:blank', title, status, ...(detail === undefined ? {} : { detail }) };
}

/** The database or the brokers do not answer: 503, to be retried soon. */
export function unavailableError(part: 'database' | 'broker', cause: unknown): ProblemError {
  const who = part === 'database' ? 'The database does' : 'The brokers do';
  return new ProblemError(
    problem('unavailable', 503, `${who} not answer; try again.`, { component: part }),
    { 'retry-after': '2' },
    { cause },
  );
}
