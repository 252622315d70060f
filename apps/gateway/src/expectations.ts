/**
 * `Expect: 100-continue`: a client that asks before it sends a large body (RFC 9110, 10.1.1).
 *
 *   asked ─there is room─▶ 100, then the answer
 *     └─refused─▶ the answer alone, and the connection is closed: nobody knows whether the body still comes
 *
 * Node would say 100 before anything is known of the request, and the client would send 16 MB to be refused.
 */
import type { IncomingMessage, RequestListener, Server, ServerResponse } from 'node:http';
import { plainProblem } from './problems/problem-error.js';
import { identified, PROBLEM_TYPE } from './problems/problem.filter.js';
import { REQUEST_ID_HEADER, requestIdOf } from './request-identity.js';

/** Requests whose client waits to be told to go on, and whether their connection was to be kept. */
const asking = new WeakMap<IncomingMessage, { response: ServerResponse; isKept: boolean }>();

/** Leaves the answer to an expectation to the routes, and refuses every other expectation. */
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
 * Tells a client that asked for it to send its body.
 *
 * @param hasRoom whether there is room for it
 * @returns false when it asked and is not to send: then it is to be answered at once
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

/** What Node would answer by itself, without a body: a request that expects what nobody promises. */
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
