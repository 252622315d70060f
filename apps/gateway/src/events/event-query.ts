/** The query of `GET /events`: its parameters and their meaning. */
import { canonicalTimestamp, PAGE_SIZE_DEFAULT, PAGE_SIZE_MAX, sourceError, topicError } from '#contracts';
import { FIRST_POSITION, type EventFilter, type EventPosition } from '#store';
import { problem, ProblemError } from '../problems/problem-error.js';
import { readCursor, writeCursor } from './event-cursor.js';

/** A valid query. */
export interface EventQuery {
  readonly filter: EventFilter;
  readonly after: EventPosition;
  readonly limit: number;
  /** Whether a matching event can exist. No event has an invalid topic or source. */
  readonly possible: boolean;
  /** The parameters as given, without the cursor. */
  readonly parameters: URLSearchParams;
}

const PARAMETERS = ['topic', 'source', 'since', 'until', 'limit', 'cursor'];

/** Reads the query string of a request, without its `?`. Throws a 400 problem that names the parameter. */
export function readEventQuery(queryString: string): EventQuery {
  const parameters = new URLSearchParams(queryString);
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw wrong(name, `"${name.slice(0, 64)}" is not a parameter; there are ${PARAMETERS.join(', ')}.`);
    }
    if (parameters.getAll(name).length > 1) throw wrong(name, `"${name}" is given more than once.`);
  }
  const topic = parameters.get('topic') ?? undefined;
  const source = parameters.get('source') ?? undefined;
  const cursor = parameters.get('cursor');
  parameters.delete('cursor');
  return {
    filter: { topic, source, since: instant(parameters, 'since'), until: instant(parameters, 'until') },
    after: cursor === null ? FIRST_POSITION : readCursor(cursor),
    limit: readLimit(parameters.get('limit')),
    possible:
      (topic === undefined || topicError(topic) === undefined) &&
      (source === undefined || sourceError(source) === undefined),
    parameters,
  };
}

/**
 * The `Link` header that leads to the next page, with the parameters of this one.
 *
 * @param origin as the client addressed it, see `originOf`
 */
export function nextLink(query: EventQuery, next: EventPosition, origin: string): string {
  const parameters = new URLSearchParams(query.parameters);
  parameters.set('cursor', writeCursor(next));
  return `<${origin}/events?${parameters.toString()}>; rel="next"`;
}

function readLimit(text: string | null): number {
  if (text === null) return PAGE_SIZE_DEFAULT;
  if (!/^0*[1-9]\d*$/.test(text)) throw wrong('limit', '"limit" must be a positive integer.');
  return Math.min(Number(text), PAGE_SIZE_MAX);
}

function instant(parameters: URLSearchParams, name: 'since' | 'until'): string | undefined {
  const text = parameters.get(name);
  if (text === null) return undefined;
  const canonical = canonicalTimestamp(text);
  if (canonical !== undefined) return canonical;
  const detail = `"${name}" must be an ISO 8601 instant with a zone or Z, for example 2026-11-22T10:00:00.000Z (a + in it is written %2B).`;
  throw wrong(name, detail);
}

function wrong(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: parameter.slice(0, 64) }));
}
