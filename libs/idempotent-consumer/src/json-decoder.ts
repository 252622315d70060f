/** The decoder of a program that has none of its own: events are JSON, and their ids those that publishers gave the brokers. */
import { createHash } from 'node:crypto';
import type { Decoder, Delivery } from './delivery.js';

/** The header by which the brokers know a message that is published twice. */
const MESSAGE_ID = 'Nats-Msg-Id';
const ID_LENGTH_MAX = 512;

/**
 * Reads a body as JSON. The topic is the subject, and the id the header `Nats-Msg-Id`. An event without an id, or a body that is
 * no JSON, is a dead letter: `missing_id`, `not_json`.
 */
export const jsonDecoder: Decoder<unknown> = (delivery) => {
  const { subject: topic, data } = delivery;
  const eventId = delivery.header(MESSAGE_ID);
  if (eventId === undefined || eventId.length > ID_LENGTH_MAX)
    return poison(delivery, 'missing_id', `header ${MESSAGE_ID} must have 1 to ${ID_LENGTH_MAX} characters`);
  try {
    const event: unknown = JSON.parse(Buffer.from(data).toString());
    const digest = createHash('sha256').update(data).digest().readBigInt64BE();
    return { ok: true, message: { delivery, topic, eventId, digest, event } };
  } catch (error) {
    return poison(delivery, 'not_json', error instanceof Error ? error.message : String(error));
  }
};

function poison(delivery: Delivery, reason: string, detail: string): ReturnType<Decoder<never>> {
  return { ok: false, poison: { delivery, topic: delivery.subject, reason, detail } };
}
