/** The handshake of CloudEvents' webhooks: a sender asks whether it may send (HTTP 1.1 Web Hooks, section 4). */
import type { IncomingHttpHeaders } from 'node:http';
import { problem, ProblemError, type AnswerHeaders } from '../problems/problem-error.js';

const ORIGIN = 'webhook-request-origin';
const RATE = 'webhook-request-rate';
const ORIGIN_FORM = /^[\x21-\x7e]{1,255}$/;

/** Whether a request is such a question. */
export function isHandshake(headers: IncomingHttpHeaders): boolean {
  return headers[ORIGIN] !== undefined;
}

/**
 * The permission for a sender, as headers.
 *
 * It may send at the rate that it asks for, because the requests of a key are bounded anyway. A callback is not called:
 * this answer gives the permission already, and an address that a request names must not be called.
 *
 * @throws ProblemError 400 without an origin
 */
export function permission(headers: IncomingHttpHeaders): AnswerHeaders {
  const origin = headers[ORIGIN];
  if (typeof origin !== 'string' || !ORIGIN_FORM.test(origin)) {
    const detail = 'Send the header WebHook-Request-Origin with the name of the sender.';
    throw new ProblemError(problem('malformed-request', 400, detail));
  }
  const rate = headers[RATE];
  const allowed = typeof rate === 'string' && /^[1-9]\d{0,8}$/.test(rate) ? rate : '*';
  return { 'webhook-allowed-origin': origin, 'webhook-allowed-rate': allowed, allow: 'POST, OPTIONS' };
}
