/**
 * `Expect: 100-continue`: a client asks before it sends a large body (RFC 9110, 10.1.1).
 *
 *   asked ─there is room─▶ 100, then the answer
 *     └─refused─▶ only the answer, and the connection is closed: the body may still come
 *
 * Node would send 100 before anything is known of the request. The client would then send 16 MB, only to be refused.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { plainProblem } from './problems/problem-error.js';
import { identified, PROBLEM_TYPE } from './problems/problem.filter.js';
import { REQUEST_ID_HEADER, requestIdOf } from './request-identity.js';

/** Requests whose client waits for 100, and whether their connection was to be kept. */
const asking = new WeakMap<IncomingMessage, { response: ServerResponse; isKept: boolean }>();

/** Leaves the answer to this expectation to the routes, and refuses every other expectation. */
export function meetExpectations(server: Server): void {
  server.on('checkContinue', (request, response) => {
    if (hasBody(request)) {
      asking.set(request, { response, isKept: response.shouldKeepAlive });
      response.shouldKeepAlive = false;
    }
    server.emit('request', request, response);
  });
  server.on('checkExpectation', refuse);
}

/**
 * Sends 100 to a client that asked for it.
 *
 * @param hasRoom whether there is room for the body
 * @returns false when the client asked and must not send; it then gets its answer at once
 */
export function sendContinue(request: IncomingMessage, hasRoom: boolean): boolean {
  const waiting = asking.get(request);
  if (waiting === undefined) return true;
  if (!hasRoom) return false;
  asking.delete(request);
  waiting.response.shouldKeepAlive = waiting.isKept;
  waiting.response.writeContinue();
  return true;
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;
}

/** Node itself would answer without a body. This refuses every other expectation. */
const refuse: RequestListener = (request, response) => {
  const id = requestIdOf(request);
  const text = JSON.stringify(
    identified(plainProblem(417, 'The only expectation that is met is 100-continue.'), id),
  );
  response
    .writeHead(417, {
      'content-type': PROBLEM_TYPE,
      'content-length': Buffer.byteLength(text),
      'cache-control': 'no-store',
      [REQUEST_ID_HEADER]: id,
      connection: 'close',
    })
    .end(text);
};
