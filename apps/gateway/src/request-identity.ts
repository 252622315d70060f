/** The id of a request. It is in the answer, in problems and in the log, so that they can be matched. */
import { randomUUID } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { FastifyInstance } from 'fastify';

/** Taken from the client or a proxy, and returned. */
export const REQUEST_ID_HEADER = 'x-request-id';

/** Characters that are safe in a log line and a header, in a bounded number. */
const WELL_FORMED = /^[A-Za-z0-9._-]{1,128}$/;

/** The id of the client when it is well formed, otherwise a new one. */
export function requestIdOf(request: IncomingMessage): string {
  const given = request.headers[REQUEST_ID_HEADER];
  return typeof given === 'string' && WELL_FORMED.test(given) ? given : randomUUID();
}

/** Gives every answer the id of its request, and forbids caching, because a key may be needed to read it. */
export function identifyRequests(server: FastifyInstance): void {
  server.addHook('onRequest', ({ id }, reply, next) => {
    reply.header(REQUEST_ID_HEADER, id).header('cache-control', 'no-store');
    next();
  });
}
