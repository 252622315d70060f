/** A message that was stored, made into messages that nothing knows, to try whether the store still takes it. */
import { randomUUID } from 'node:crypto';
import type { Delivery, Message } from '../delivery.js';

/** Beyond what any stream will reach, and still exact as a number of JavaScript's. */
const REHEARSED_SEQ_MAX = Number.MAX_SAFE_INTEGER;
const REHEARSALS_APART = 1_000_000_000;

/** A message as new, as a repeat and as a repeat that differs, none of which anything knows. */
export function rehearsalOf<E>(message: Message<E>): [Message<E>, Message<E>, Message<E>] {
  const eventId = `rehearsal-${randomUUID()}`;
  const last = REHEARSED_SEQ_MAX - 3 * Math.floor(Math.random() * REHEARSALS_APART);
  const copy = (seq: number, digest: bigint): Message<E> => ({
    ...message,
    eventId,
    digest,
    delivery: deliveryUnder(message.delivery, seq),
  });
  const { digest } = message;
  return [copy(last - 2, digest), copy(last - 1, digest), copy(last, digest ^ 1n)];
}

/** The same delivery under another sequence, which answers the broker nothing: it was settled long ago. */
function deliveryUnder(delivery: Delivery, seq: number): Delivery {
  const nothing = (): undefined => undefined;
  const { subject, data, deliveryCount, publishedAt } = delivery;
  return {
    seq,
    subject,
    data,
    deliveryCount,
    publishedAt,
    header: (name) => delivery.header(name),
    headersText: () => delivery.headersText(),
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}
