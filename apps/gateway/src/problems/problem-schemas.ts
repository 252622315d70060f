/** The kinds of problems as schemas and as examples. */
import { described, objectOf, schemaNamed, type Schema } from '../description/operation.js';
import { PROBLEM_DESCRIPTIONS } from './problem-descriptions.js';
import { problem, type ProblemKind } from './problem-error.js';

/** Members of every problem. */
const BASE = {
  detail: described('What is wrong in this case, and what to do.', { type: 'string' }),
  instance: described('The address of the request, without its query.', { type: 'string' }),
  request_id: described('It is also in `x-request-id` and in the log.', { type: 'string' }),
  error: described('The same for clients of Elasticsearch, at `_bulk` alone.', schemaNamed('ElasticError')),
};

/** The name of a kind's schema: `no-key` has `NoKeyProblem`. */
export function problemSchemaName(kind: ProblemKind): string {
  const words = kind.split('-').map((word) => word.charAt(0).toUpperCase() + word.slice(1));
  return `${words.join('')}Problem`;
}

/** The schema of a kind. */
export function problemSchema(kind: ProblemKind): Schema {
  const { status, otherStatuses = [], when, remedy, members = {}, always = [] } = PROBLEM_DESCRIPTIONS[kind];
  const { type, title } = problem(kind, status, '');
  const all = {
    type: { const: type },
    title: { const: title },
    status: { enum: [status, ...otherStatuses] },
    ...BASE,
    ...members,
  };
  const optional = ['instance', 'error', ...Object.keys(members).filter((name) => !always.includes(name))];
  return { ...objectOf(all, optional), description: `${when} ${remedy}` };
}

/** An example of a kind. */
export function problemExample(kind: ProblemKind): object {
  const { status, detail, example } = PROBLEM_DESCRIPTIONS[kind];
  return { ...problem(kind, status, detail, example), request_id: '6f1c2a9e-3b5d-4c8f-9a51-0d2e7b64f0aa' };
}

/** A problem that its status explains. */
export const PLAIN_PROBLEM: Schema = {
  ...objectOf(
    {
      type: { const: 'about:blank' },
      title: { type: 'string' },
      status: { type: 'integer', minimum: 400, maximum: 599 },
      ...BASE,
    },
    ['detail', 'instance', 'error'],
  ),
  description: 'A problem that its HTTP status explains.',
};
