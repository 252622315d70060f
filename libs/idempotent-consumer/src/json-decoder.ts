import { createHash } from 'node:crypto';
import type { Decoder, Delivery } from './delivery.js';
import { MESSAGE_ID_HEADER } from './message-id-header.js';

const ID_LENGTH_MAX = 512;

/**
 * The default decoder: it reads the body as JSON. The topic is the subject, and the id is the header
 * `Nats-Msg-Id`, which publishers set for the brokers.
 *
 * An event without an id is a dead letter with reason `missing_id`. A body that cannot be parsed is one with
 * reason `not_json`.
 */
export const jsonDecoder: Decoder<unknown> = (delivery) => {
  const { subject: topic, data } = delivery;
  const eventId = delivery.header(MESSAGE_ID_HEADER);
  if (eventId === undefined || eventId.length > ID_LENGTH_MAX)
    return poison(
      delivery,
      'missing_id',
      `header ${MESSAGE_ID_HEADER} must have 1 to ${ID_LENGTH_MAX} characters`,
    );
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
