/** The parameters that choose events, which several routes take. */
import {
  canonicalTimestamp,
  isTopicPattern,
  LEVELS,
  sourceError,
  topicError,
  topicFilterError,
  type Level,
} from '#contracts';
import type { EventFilter } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';
import { whereAlternatives } from './where-condition.js';

/** The names of the parameters. */
export const FILTER_PARAMETERS = ['topic', 'source', 'since', 'until', 'where', 'q', 'min_level'];
/** Conditions of one query, at most. Each is tried on every event that is inspected. */
const WHERE_MAX = 8;
const TEXT_LENGTH_MAX = 256;

/** What a query chooses. */
export interface FilterQuery {
  readonly filter: EventFilter;
  /** Whether a matching event can exist. No event has an invalid topic or source. */
  readonly possible: boolean;
}

/** Throws a 400 problem for a parameter that is not among the names, or is repeated although it may not be. */
export function refuseOtherParameters(parameters: URLSearchParams, names: readonly string[]): void {
  for (const name of parameters.keys()) {
    if (!names.includes(name)) {
      throw wrongParameter(name, `"${name.slice(0, 64)}" is not a parameter; there are ${names.join(', ')}.`);
    }
    if (name !== 'where' && parameters.getAll(name).length > 1)
      throw wrongParameter(name, `"${name}" is given more than once.`);
  }
}

/** Reads the parameters. Throws a 400 problem that names the wrong one. */
export function readFilter(parameters: URLSearchParams): FilterQuery {
  const topic = parameters.get('topic') ?? undefined;
  const source = parameters.get('source') ?? undefined;
  const isPattern = topic !== undefined && isTopicPattern(topic);
  const patternError = isPattern ? topicFilterError(topic) : undefined;
  if (patternError !== undefined) throw wrongParameter('topic', `"topic" is ${patternError}.`);
  const filter = {
    topic,
    source,
    since: instantParameter(parameters, 'since'),
    until: instantParameter(parameters, 'until'),
    where: readWhere(parameters),
    text: readText(parameters),
    levelMin: readLevel(parameters),
  };
  const possible =
    (topic === undefined || isPattern || topicError(topic) === undefined) &&
    (source === undefined || sourceError(source) === undefined);
  return { filter, possible };
}

/** A 400 problem about a parameter. */
export function wrongParameter(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: parameter.slice(0, 64) }));
}

function readWhere(parameters: URLSearchParams): EventFilter['where'] {
  const texts = parameters.getAll('where');
  if (texts.length > WHERE_MAX)
    throw wrongParameter('where', `"where" is given more than ${WHERE_MAX} times.`);
  return texts.map((text) => {
    const alternatives = whereAlternatives(text);
    if (alternatives !== undefined) return alternatives;
    const detail =
      '"where" must be a path and a value, as in payload.status:500 or payload.user.name:"Ann", or a JSON object that the payload contains; of 1 to 1,024 characters, without \\u0000 and half surrogate pairs.';
    throw wrongParameter('where', detail);
  });
}

/** In the payload's JSON text, characters such as quotes are escaped. */
function readText(parameters: URLSearchParams): string | undefined {
  const text = parameters.get('q');
  if (text === null) return undefined;
  if (text !== '' && text.length <= TEXT_LENGTH_MAX && text.isWellFormed() && !text.includes('\0'))
    return JSON.stringify(text).slice(1, -1);
  throw wrongParameter('q', `"q" must be a text of 1 to ${TEXT_LENGTH_MAX} characters.`);
}

function readLevel(parameters: URLSearchParams): Level | undefined {
  const text = parameters.get('min_level');
  if (text === null) return undefined;
  const level = LEVELS.find((name) => name === text);
  if (level !== undefined) return level;
  throw wrongParameter('min_level', `"min_level" must be one of ${LEVELS.join(', ')}.`);
}

/** Reads an instant, in the canonical form of timestamps. Throws a 400 problem. */
export function instantParameter(parameters: URLSearchParams, name: 'since' | 'until'): string | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const canonical = canonicalTimestamp(text);
  if (canonical !== undefined) return canonical;
  const detail = `"${name}" must be an ISO 8601 instant with a zone or Z, for example 2026-11-22T10:00:00.000Z (a + in it is written %2B).`;
  throw wrongParameter(name, detail);
}
