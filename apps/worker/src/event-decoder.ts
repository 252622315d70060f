/** Decodes deliveries as events, by the same rules as the gateway. */
import { hash } from 'node:crypto';
import { decodeEvent, type SekaliEvent, validTopicOf } from '#contracts';
import type { Decoder } from '#idempotent-consumer';

/** The topic of dead letters whose subject names no valid topic. No event can have it. */
export const INVALID_TOPIC = '(invalid)';

const DIGEST_BYTES = 8;
const digestBytes = new Uint8Array(DIGEST_BYTES);
const digestView = new DataView(digestBytes.buffer);

/**
 * Creates the decoder of the worker.
 *
 * @param subjectPrefix the first token of every subject
 * @param eventBytesMax the size of the largest event, in bytes
 * @returns a decoder that gives a message, or the reason why the delivery is poison
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
    const poison = {
      delivery,
      topic: validTopicOf(subjectPrefix, delivery.subject) ?? INVALID_TOPIC,
      reason,
      detail,
      ...(eventId === undefined ? {} : { eventId }),
    };
    return { ok: false, poison };
  };
}

/**
 * The first 64 bits of SHA-256 of the payload, signed. The binary text, one character for each byte, is faster than a
 * Buffer or hexadecimal.
 */
function digestOf(event: SekaliEvent): bigint {
  const text = hash('sha256', event.payload, 'binary');
  for (let at = 0; at < DIGEST_BYTES; at++) digestBytes[at] = text.charCodeAt(at);
  return digestView.getBigInt64(0);
}
