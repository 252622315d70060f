/** Request bodies as text: JSON is not parsed by the server, because the text itself is needed. */
import type { FastifyInstance, FastifyRequest } from 'fastify';
import { problem, ProblemError } from '../problems/problem-error.js';

/** Makes the server hand on JSON bodies as text; any other type is refused with 415, what is not UTF-8 with 400. */
export function takeJsonAsText(server: FastifyInstance): void {
  server.removeAllContentTypeParsers();
  server.addContentTypeParser('application/json', { parseAs: 'buffer' }, (request, body, done) => {
    try {
      done(null, decode(request, body as Buffer));
    } catch (error) {
      done(error as Error);
    }
  });
}

/** The text of a request. Throws a 415 when it has none: without a type the server does not read the body. */
export function textOf(body: unknown): string {
  if (typeof body === 'string') return body;
  throw new ProblemError(
    problem(
      'unsupported-type',
      415,
      'Send the events as JSON, with the header Content-Type: application/json.',
    ),
  );
}

function decode(request: FastifyRequest, body: Buffer): string {
  const encoding = request.headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity') {
    throw new ProblemError(
      problem('unsupported-type', 415, `Content-Encoding ${encoding.slice(0, 50)} is not taken.`),
    );
  }
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(body);
  } catch {
    throw new ProblemError(problem('malformed-json', 400, 'The body is not UTF-8.'));
  }
}
