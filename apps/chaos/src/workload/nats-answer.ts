/**
 * What it means when a publish straight to the brokers was not acknowledged. It is *fail* if the brokers refused it
 * before storing, or if nothing left this process, and *info* otherwise. Error 10158, for example, says that another
 * publish with the same id is in flight, but not how that ends.
 */
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/nats-core';
import { refused, unknown, type Answer } from './producer.js';

// The server's own codes (nats-server, server/errors.json).
const STORE_FAILED = 10077;
const TOO_LARGE = new Set([
  10054, // message size exceeds maximum allowed
  10097, // header size exceeds maximum allowed
]);
/** `10077` is any failure to store; this text is the only one on which all replicas agree. */
const FULL = /maximum (bytes|messages)/i;

/** The outcome of a publish that threw. */
export function readPublishFailure(error: unknown): Answer {
  if (error instanceof JetStreamApiError) {
    const { code, message } = error;
    if (TOO_LARGE.has(code)) return refused(1, String(code), false);
    if (code === STORE_FAILED && FULL.test(message)) return refused(1, String(code), true);
    return unknown(1, String(code));
  }
  // The client refuses what is larger than the brokers' max_payload before it sends anything.
  if (error instanceof errors.InvalidArgumentError) return refused(1, error.name, false);
  const cause = error instanceof errors.RequestError ? (error.cause ?? error) : error;
  if (cause instanceof errors.TimeoutError) return unknown(1, 'timeout');
  return unknown(1, cause instanceof Error ? cause.name : 'unreadable');
}
