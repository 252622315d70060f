/** The answers with problems that a route may give, in the form of the document. */
import { PROBLEM_DESCRIPTIONS } from '../problems/problem-descriptions.js';
import { problemSchemaName } from '../problems/problem-schemas.js';
import type { ProblemKind } from '../problems/problem-error.js';
import { HEADERS, PLAIN_ANSWERS, problemsOf } from './shared-answers.js';
import {
  schemaNamed,
  type Content,
  type Contents,
  type HeaderName,
  type OperationDescription,
  type Schema,
} from './operation.js';

type HeaderKey = keyof typeof HEADERS;

/** An answer in the document. */
export interface DocumentAnswer {
  readonly description: string;
  readonly headers: Readonly<Record<string, Schema>>;
  readonly content?: Contents;
}

/** A refusal, with its name among those of all routes. */
export interface Refusal {
  readonly status: number;
  readonly name: string;
  readonly answer: DocumentAnswer;
}

/** The media type of every problem. */
export const PROBLEM_MEDIA_TYPE = 'application/problem+json';
/** The prefix of a header that only some answers of a status have. */
export const SOMETIMES = 'Sometimes';
/** Headers wherever the requests of a key are counted. */
export const RATE_HEADERS: readonly HeaderKey[] = ['RateLimitLimit', 'RateLimitRemaining', 'RateLimitReset'];

/** The refusals of a route, in the order of their status. */
export function refusalsOf(operation: OperationDescription): Refusal[] {
  const problems = problemsOf(operation);
  const { refusalContents: form, refusalHeaders = [], id } = operation;
  return [...new Set([...problems.map(({ status }) => status), ...PLAIN_ANSWERS.keys()])]
    .sort((a, b) => a - b)
    .map((status) => {
      const kinds = problems.filter((one) => one.status === status).map(({ kind }) => kind);
      const answer = refusal(status, kinds.sort(), refusalHeaders);
      return form === undefined
        ? { status, name: [status, ...kinds, ...refusalHeaders].join('-'), answer }
        : { status, name: [status, ...kinds, id].join('-'), answer: { ...answer, content: form } };
    });
}

function refusal(status: number, kinds: readonly ProblemKind[], more: readonly HeaderName[]): DocumentAnswer {
  const plain = PLAIN_ANSWERS.get(status);
  const schemas = kinds.map((kind) => schemaNamed(problemSchemaName(kind)));
  if (plain !== undefined) schemas.push(schemaNamed('PlainProblem'));
  const [only = {}] = schemas;
  const always = kinds.map((kind) => PROBLEM_DESCRIPTIONS[kind].headers ?? []);
  const named = [...new Set(always.flat())];
  const inAll = named.filter((name) => plain === undefined && always.every((names) => names.includes(name)));
  const examples = kinds.map((kind) => [kind, { $ref: `#/components/examples/${kind}` }]);
  return {
    description: [...kinds.map((kind) => PROBLEM_DESCRIPTIONS[kind].when), plain ?? []].flat().join(' '),
    headers: headersOf(inAll, [
      ...named,
      ...(status === 415 ? ['AcceptEncoding' as const] : []),
      ...more,
      ...RATE_HEADERS,
    ]),
    content: {
      [PROBLEM_MEDIA_TYPE]: {
        schema: schemas.length === 1 ? only : { oneOf: schemas },
        ...(kinds.length > 0 && { examples: Object.fromEntries(examples) as Content['examples'] & object }),
      },
    },
  };
}

/**
 * The headers of an answer.
 *
 * @param always those that every such answer has, in addition to the id of the request
 * @param some those that some have
 */
export function headersOf(always: readonly HeaderKey[], some: readonly HeaderKey[]): Record<string, Schema> {
  const required: readonly HeaderKey[] = ['RequestId', ...always];
  const others = some.filter((key) => !required.includes(key));
  return Object.fromEntries([
    ...required.map((key) => [HEADERS[key].name, { $ref: `#/components/headers/${key}` }]),
    ...others.map((key) => [HEADERS[key].name, { $ref: `#/components/headers/${SOMETIMES}${key}` }]),
  ]) as Record<string, Schema>;
}
