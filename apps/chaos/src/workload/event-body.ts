/**
 * Writes a message as it goes over the wire. The text follows from the message and the start of the run alone. So every
 * repeat of a variant is the same to the last character, and another variant differs only in its payload.
 */
import { EVENT_BYTES_MAX } from '#contracts';
import { amountOf, type ChaosPayload, type Message } from './message.js';

/** Bytes of an ordinary event, about. */
const EVENT_BYTES = 300;
/** More than the gateway's and the worker's limit, less than the 1 MiB of the brokers. */
const TOO_LARGE_BYTES = EVENT_BYTES_MAX + 40_000;
/** Room for what the filler does not fill: the other members and their names. */
const FRAME_BYTES = 155;
const SOURCE = 'chaos';

/**
 * The event as JSON text, or what the message's poison turns it into.
 *
 * @param runStartedAtMs milliseconds since 1970; the events' timestamps are up to 1,000 s before it
 */
export function eventBody(message: Message, runStartedAtMs: number): string {
  const { topic, eventId, poison } = message;
  const amount = amountOf(topic, eventId);
  const event = {
    topic: poison === 'wrong_subject' ? `${topic}-elsewhere` : topic,
    event_id: eventId,
    timestamp: new Date(runStartedAtMs - amount * 1_000).toISOString(),
    // JSON leaves out a member that is undefined.
    source: poison === 'missing_field' ? undefined : SOURCE,
    payload: payloadOf(message, amount),
  };
  const text = JSON.stringify(event);
  return poison === 'not_json' ? text.slice(0, Math.floor(text.length / 2)) : text;
}

function payloadOf(message: Message, amount: number): ChaosPayload {
  const { topic, eventId, variant, poison } = message;
  const bytes = poison === 'too_large' ? TOO_LARGE_BYTES : EVENT_BYTES - FRAME_BYTES - topic.length;
  const filler = `${eventId} `.repeat(Math.ceil(Math.max(1, bytes) / (eventId.length + 1)));
  return { amount, variant, filler: poison === 'nul' ? `${filler}\u0000` : filler };
}
