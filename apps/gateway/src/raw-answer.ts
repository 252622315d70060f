/** Answers on the bare socket, when there is no request to answer: its head was not read, or must not be. */
import type { Socket } from 'node:net';
import { STATUS_CODES } from 'node:http';
import type { Problem } from '#contracts';
import type { AnswerHeaders } from './problems/problem-error.js';
import { identified, PROBLEM_TYPE } from './problems/problem.filter.js';
import { REQUEST_ID_HEADER } from './request-identity.js';

/** How long the bytes of an answer may take to leave. */
const LEAVE_MS_MAX = 1_000;

/**
 * Writes a problem and closes the connection. A connection that is only ended would stay half open while the client
 * likes.
 *
 * @param id of the request that was not read
 */
export function endWith(socket: Socket, body: Problem, id: string, headers: AnswerHeaders = {}): void {
  const text = JSON.stringify(identified(body, id));
  const lines = Object.entries({
    'Content-Type': PROBLEM_TYPE,
    'Content-Length': String(Buffer.byteLength(text)),
    'Cache-Control': 'no-store',
    [REQUEST_ID_HEADER]: id,
    ...headers,
    Connection: 'close',
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  const head = `HTTP/1.1 ${body.status} ${STATUS_CODES[body.status] ?? body.title}\r\n${lines.join('')}\r\n`;
  const timer = setTimeout(() => socket.destroy(), LEAVE_MS_MAX).unref();
  socket.once('close', () => {
    clearTimeout(timer);
  });
  socket.end(head + text, () => socket.destroy());
}
