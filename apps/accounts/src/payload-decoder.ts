/** Reads a delivery as an event of Sekali, and hands on its payload. */
import { createHash } from 'node:crypto';
import { decodeEvent, validTopicOf } from '#contracts';
import type { Decoder } from '#idempotent-consumer';

/** The topic of dead letters whose subject names no valid topic. No event can have it. */
const INVALID_TOPIC = '(invalid)';

/**
 * Creates the decoder. The identity of an event is its topic and its `event_id`, and not the message id, which may differ
 * between two sends of one event.
 *
 * @param subjectPrefix first token of every subject
 * @param eventBytesMax the largest event, in bytes
 */
export function payloadDecoder(subjectPrefix: string, eventBytesMax: number): Decoder<unknown> {
  return (delivery) => {
    const decoded = decodeEvent(delivery, subjectPrefix, eventBytesMax);
    if (decoded.ok) {
      const { topic, eventId, payload } = decoded.event;
      const digest = createHash('sha256').update(payload).digest().readBigInt64BE();
      return {
        ok: true,
        message: { delivery, topic, eventId, digest, event: JSON.parse(payload) as unknown },
      };
    }
    const { reason, detail, eventId } = decoded;
    const topic = validTopicOf(subjectPrefix, delivery.subject) ?? INVALID_TOPIC;
    return {
      ok: false,
      poison: { delivery, topic, reason, detail, ...(eventId !== undefined && { eventId }) },
    };
  };
}
