/** Reads deliveries as events, by the same rules as the gateway. */
import { hash } from 'node:crypto';
import { decodeEvent, type SekaliEvent, topicError, topicOf } from '#contracts';
import type { Decoder } from '#idempotent-consumer';

/** Under which dead letters are counted whose subject names no valid topic: nobody can have a topic like it. */
export const INVALID_TOPIC = '(invalid)';

const DIGEST_DIGITS = 16;

/**
 * Makes the decoder of the worker.
 *
 * @param subjectPrefix first token of every subject
 * @param eventBytesMax the largest event, in bytes
 */
export function eventDecoder(subjectPrefix: string, eventBytesMax: number): Decoder<SekaliEvent> {
  return (delivery) => {
    const decoded = decodeEvent(delivery, subjectPrefix, eventBytesMax);
    if (decoded.ok) {
      const { event } = decoded;
      return {
        ok: true,
        message: { delivery, topic: event.topic, eventId: event.eventId, digest: digestOf(event), event },
      };
    }
    const { reason, detail, eventId } = decoded;
    const topic = topicOf(subjectPrefix, delivery.subject);
    const poison = {
      delivery,
      topic: topic === undefined || topicError(topic) !== undefined ? INVALID_TOPIC : topic,
      reason,
      detail,
      ...(eventId === undefined ? {} : { eventId }),
    };
    return { ok: false, poison };
  };
}

/** The first 64 bits of SHA-256. Asked for as hexadecimal text, which is made faster than a Buffer. */
function digestOf(event: SekaliEvent): bigint {
  return BigInt.asIntN(64, BigInt(`0x${hash('sha256', event.payload, 'hex').slice(0, DIGEST_DIGITS)}`));
}
