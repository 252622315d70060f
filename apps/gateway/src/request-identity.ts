/** The id of a request: in its answer, in problems and in the log, so that the three can be brought together. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Taken over from the client or a proxy, and given back. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** What may stand in a log line and a header as it is, and is no way to fill either. */
const WELL_FORMED = /^[A-Za-z0-9._-]{1,128}$/;

/** The id that came with a request when it is well formed, else a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}

/** Gives every answer the id of its request. No answer is to be kept on the way: it may be what a key alone may read. */
export function identifyRequests(server: FastifyInstance): void {
  server.addHook('onRequest', ({ id }, reply, next) => {
    reply.header(REQUEST_ID_HEADER, id).header('cache-control', 'no-store');
    next();
  });
}
