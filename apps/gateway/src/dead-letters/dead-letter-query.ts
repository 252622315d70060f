/**
 * Which dead letters a request is about. A query string and the filter of an action have the same parameters with the
 * same meaning.
 */
import { canonicalTimestamp } from '#contracts';
import {
  DEAD_LETTER_STATES,
  type DeadLetterFilter,
  type DeadLetterPosition,
  type DeadLetterState,
} from '#store';
import { requireTopic, type Access } from '../keys/access.js';
import { problem, ProblemError } from '../problems/problem-error.js';
import { readCursor, writeCursor } from './dead-letter-cursor.js';

/** A valid query of `GET /dead-letters`. */
export interface DeadLetterQuery {
  readonly filter: DeadLetterFilter;
  readonly after: DeadLetterPosition | undefined;
  readonly limit: number;
  /** Whether they are counted by reason. */
  readonly isGrouped: boolean;
  /** The parameters as given, without the cursor. */
  readonly parameters: URLSearchParams;
}

const FILTERS = ['consumer', 'topic', 'reason', 'fingerprint', 'since', 'until', 'state'] as const;
const PARAMETERS: readonly string[] = [...FILTERS, 'group', 'limit', 'cursor'];
const LIMIT_DEFAULT = 100;
const LIMIT_MAX = 1_000;
const VALUE_LENGTH_MAX = 1_200;
/** The states that leave an operator something to do. */
export const UNFINISHED: readonly DeadLetterState[] = ['open', 'replaying'];

/** Reads the query string of a request, without its `?`. Throws a 400 problem that names the parameter. */
export function readDeadLetterQuery(queryString: string, access: Access): DeadLetterQuery {
  const parameters = new URLSearchParams(queryString);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) throw unknownParameter(name, PARAMETERS);
    if (parameters.getAll(name).length > 1) throw wrong(name, `"${name}" is given more than once.`);
  }
  const cursor = parameters.get('cursor');
  parameters.delete('cursor');
  const group = parameters.get('group');
  if (group !== null && group !== 'reason') throw wrong('group', '"group" can only be reason.');
  const given = Object.fromEntries([...parameters].filter(([name]) => isFilter(name)));
  return {
    filter: readFilter(given, access, UNFINISHED),
    after: cursor === null ? undefined : readCursor(cursor),
    limit: readLimit(parameters.get('limit')),
    isGrouped: group !== null,
    parameters,
  };
}

/**
 * Reads a filter.
 *
 * @param given the parameters by name
 * @param access its topics restrict the filter; another topic is a 403 problem
 * @param states those that the filter has when it names none
 */
export function readFilter(
  given: Readonly<Record<string, unknown>>,
  access: Access,
  states: readonly DeadLetterState[],
): DeadLetterFilter {
  for (const name of Object.keys(given)) if (!isFilter(name)) throw unknownParameter(name, FILTERS);
  const text = (name: (typeof FILTERS)[number]): string | undefined => {
    const value = given[name];
    if (value === undefined) return undefined;
    if (typeof value === 'string' && value.length <= VALUE_LENGTH_MAX && !value.includes('\0')) return value;
    throw wrong(name, `"${name}" must be a text.`);
  };
  const topic = text('topic');
  if (topic !== undefined) requireTopic(access, topic);
  return {
    consumer: text('consumer'),
    topic,
    topics: access.topics ?? undefined,
    reason: text('reason'),
    fingerprint: text('fingerprint'),
    since: instant('since', text('since')),
    until: instant('until', text('until')),
    states: readStates(text('state')) ?? states,
  };
}

/**
 * The `Link` header that leads to the next page, with the parameters of this one.
 *
 * @param origin as the client addressed it, see `originOf`
 */
export function nextLink({ parameters }: DeadLetterQuery, next: DeadLetterPosition, origin: string): string {
  const all = new URLSearchParams(parameters);
  all.set('cursor', writeCursor(next));
  return `<${origin}/dead-letters?${all.toString()}>; rel="next"`;
}

function isFilter(name: string): boolean {
  return (FILTERS as readonly string[]).includes(name);
}

function readStates(text: string | undefined): readonly DeadLetterState[] | undefined {
  if (text === undefined) return undefined;
  if (text === 'all') return DEAD_LETTER_STATES;
  const words = text.split(',');
  const states = DEAD_LETTER_STATES.filter((state) => words.includes(state));
  if (states.length === new Set(words).size) return states;
  throw wrong('state', `"state" is all, or some of ${DEAD_LETTER_STATES.join(', ')}, joined by commas.`);
}

function readLimit(text: string | null): number {
  if (text === null) return LIMIT_DEFAULT;
  if (!/^0*[1-9]\d*$/.test(text)) throw wrong('limit', '"limit" must be a positive integer.');
  return Math.min(Number(text), LIMIT_MAX);
}

function instant(name: string, text: string | undefined): string | undefined {
  if (text === undefined) return undefined;
  const canonical = canonicalTimestamp(text);
  if (canonical !== undefined) return canonical;
  throw wrong(
    name,
    `"${name}" must be an ISO 8601 instant with a zone or Z, for example 2026-11-22T10:00:00.000Z.`,
  );
}

function unknownParameter(name: string, known: readonly string[]): ProblemError {
  return wrong(name, `"${name.slice(0, 64)}" is not a parameter; there are ${known.join(', ')}.`);
}

function wrong(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: parameter.slice(0, 64) }));
}
