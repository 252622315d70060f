/** The id of a request: in its answer, in problems and in the log, so that the three can be brought together. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';
import { problem, ProblemError } from './problems/problem-error.js';

/** Taken over from the client or a proxy, and given back. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** What may stand in a log line and a header as it is, and is no way to fill either. */
const WELL_FORMED = /^[A-Za-z0-9._-]{1,128}$/;

const NO_HOST = problem('malformed-request', 400, 'The request has no Host header.');

/** The id that came with a request when it is well formed, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}

/** Gives every answer the id of its request, and refuses one that does not say whom it is for (RFC 9112, 3.2). */
export function identifyRequests(server: FastifyInstance): void {
  server.addHook('onRequest', ({ id, raw }, reply, next) => {
    reply.header(REQUEST_ID_HEADER, id);
    if (raw.headers.host !== undefined || raw.httpVersionMinor === 0) next();
    else next(new ProblemError(NO_HOST, { connection: 'close' }));
  });
}
