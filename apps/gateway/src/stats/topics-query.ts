/** The query of `GET /stats/topics`. */
import { problem, ProblemError } from '../problems/problem-error.js';

const LIMIT_DEFAULT = 1_000;
const PARAMETERS = ['cursor', 'limit'];

/** Reads the query. Throws a 400 problem that names the parameter. */
export function readTopicsQuery(url: string): { readonly after: string; readonly limit: number } {
  const start = url.indexOf('?');
  const parameters = new URLSearchParams(start === -1 ? '' : url.slice(start + 1));
  for (const name of parameters.keys()) {
    if (!PARAMETERS.includes(name)) {
      throw wrong(name, `"${name.slice(0, 64)}" is not a parameter; there are ${PARAMETERS.join(', ')}.`);
    }
    if (parameters.getAll(name).length > 1) throw wrong(name, `"${name}" is given more than once.`);
  }
  const limit = parameters.get('limit') ?? String(LIMIT_DEFAULT);
  if (!/^0*[1-9]\d*$/.test(limit)) throw wrong('limit', '"limit" must be a positive integer.');
  const cursor = parameters.get('cursor');
  return { after: cursor === null ? '' : readCursor(cursor), limit: Math.min(Number(limit), LIMIT_DEFAULT) };
}

/** The `Link` header that leads to the topics after one. */
export function topicsLink(origin: string, after: string, limit?: number): string {
  const parameters = new URLSearchParams(limit === undefined ? {} : { limit: String(limit) });
  parameters.set('cursor', Buffer.from(after).toString('base64url'));
  return `<${origin}/stats/topics?${parameters.toString()}>; rel="next"`;
}

function readCursor(text: string): string {
  const topic = Buffer.from(text, 'base64url').toString('utf8');
  // There are also counters for messages without a topic, under names in brackets.
  if (/^[A-Za-z0-9_.()-]{1,1100}$/.test(topic) && Buffer.from(topic).toString('base64url') === text)
    return topic;
  const detail = 'Take "cursor" unchanged from the Link header of an answer, or leave it out.';
  throw new ProblemError(problem('invalid-cursor', 400, detail, { parameter: 'cursor' }));
}

function wrong(parameter: string, detail: string): ProblemError {
  return new ProblemError(problem('invalid-parameter', 400, detail, { parameter: parameter.slice(0, 64) }));
}
