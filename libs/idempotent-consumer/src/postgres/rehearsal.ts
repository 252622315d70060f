import { randomUUID } from 'node:crypto';
import type { Delivery, Message } from '../delivery.js';

/** Beyond the sequences of any stream, and still a safe integer. */
const REHEARSED_SEQ_MAX = Number.MAX_SAFE_INTEGER;
const REHEARSALS_APART = 1_000_000_000;

/**
 * Returns copies of a stored message that the inbox cannot know, to try whether the store still accepts it.
 *
 * @returns a new message, a repeat of it, and a repeat with another digest
 */
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

/**
 * Copies a delivery to another sequence. It answers the broker nothing, because the original was settled long
 * ago.
 */
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
    headerBytes: () => delivery.headerBytes(),
    headersText: () => delivery.headersText(),
    ack: nothing,
    nak: nothing,
    term: nothing,
    working: nothing,
  };
}
