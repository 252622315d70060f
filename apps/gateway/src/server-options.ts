/** How the HTTP server is made; also what it answers where no route was reached. */
import type { Socket } from 'node:net';
import type { FastifyServerOptions } from 'fastify';
import { plainProblem } from './problems/problem-error.js';
import { requestProblem, sendProblem } from './problems/problem.filter.js';

/** An event id may be 256 characters of four bytes, each written as three characters. */
const PATH_PART_LENGTH_MAX = 8_192;

/** Options of the server. @param bodyBytesMax a larger body is refused with 413 */
export function serverOptions(bodyBytesMax: number): FastifyServerOptions {
  return {
    bodyLimit: bodyBytesMax,
    forceCloseConnections: 'idle',
    routerOptions: { maxParamLength: PATH_PART_LENGTH_MAX },
    frameworkErrors: (error, request, reply) => {
      sendProblem(reply, requestProblem(error.statusCode ?? 400, error), {}, request.url);
    },
    clientErrorHandler: refuseUnreadable,
  };
}

/** Bytes that are not HTTP: answered on the bare socket, for there is no request. */
function refuseUnreadable(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) {
    socket.destroy();
    return;
  }
  const status =
    error.code === 'HPE_HEADER_OVERFLOW' ? 431 : error.code === 'ERR_HTTP_REQUEST_TIMEOUT' ? 408 : 400;
  const body = plainProblem(status, 'The request is not HTTP that this server can read.');
  const text = JSON.stringify(body);
  socket.end(
    `HTTP/1.1 ${status} ${body.title}\r\nContent-Type: application/problem+json; charset=utf-8\r\n` +
      `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
  );
}
