import type { Decoder, Message } from '../delivery.js';

/** What events are ordered by. A number and its text are the same key. */
export type OrderKey = string | number | bigint;

/** What happens to the events behind a dead letter of their key. */
export type OnDeadLetter = 'hold' | 'skip';

/** An index of Postgres takes less than three times as many bytes. */
const KEY_LENGTH_MAX = 512;

/**
 * Wraps a decoder, so that each message has the key by which it is ordered. An event without one is a dead letter: in
 * which order it would take effect could only be guessed.
 */
export function keyedBy<E>(decode: Decoder<E>, orderBy: (event: E) => OrderKey): Decoder<E> {
  return (delivery) => {
    const decoded = decode(delivery);
    if (!decoded.ok) return decoded;
    const { message } = decoded;
    const found = keyOf(message, orderBy);
    if ('key' in found) return { ok: true, message: { ...message, orderKey: found.key } };
    const { topic, eventId } = message;
    return {
      ok: false,
      poison: { delivery, topic, eventId, reason: 'no_order_key', detail: found.problem },
    };
  };
}

function keyOf<E>(
  { event }: Message<E>,
  orderBy: (event: E) => unknown,
): { readonly key: string } | { readonly problem: string } {
  let value: unknown;
  try {
    value = orderBy(event);
  } catch (error) {
    return { problem: `orderBy failed: ${error instanceof Error ? error.message : String(error)}` };
  }
  if (typeof value !== 'string' && typeof value !== 'number' && typeof value !== 'bigint')
    return { problem: `orderBy returned ${value === null ? 'null' : typeof value}, and no text or number` };
  const key = String(value);
  if (key.length > KEY_LENGTH_MAX)
    return { problem: `orderBy returned ${key.length} characters, and a key has at most ${KEY_LENGTH_MAX}` };
  if (key.includes('\u0000') || !key.isWellFormed())
    return {
      problem: 'orderBy returned a text with NUL or half a surrogate pair, which Postgres cannot store',
    };
  return { key };
}
