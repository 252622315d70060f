/**
 * Writes a message as it goes over the wire. The text follows from the message and the start of the run alone. So every
 * repeat of a variant is the same to the last character, and another variant differs only in its payload.
 */
import { EVENT_BYTES_MAX } from '#contracts';
import { amountOf, cloudEventIdOf, SOURCE, type ChaosPayload, type Message } from './message.js';

/** Bytes of an ordinary event, about. */
const EVENT_BYTES = 450;
/** More than the gateway's and the worker's limit, less than the 1 MiB of the brokers. */
const TOO_LARGE_BYTES = EVENT_BYTES_MAX + 40_000;
/** Room for what the filler does not fill: the other members and their names. */
const FRAME_BYTES = 265;

/**
 * The event as JSON text, or what the message's poison turns it into.
 *
 * @param runStartedAtMs milliseconds since 1970; the events' timestamps are up to 1,000 s before it
 */
export function eventBody(message: Message, runStartedAtMs: number): string {
  const { topic, eventId, poison } = message;
  const payload = payloadOf(message, runStartedAtMs);
  const event = {
    topic: poison === 'wrong_subject' ? `${topic}-elsewhere` : topic,
    event_id: eventId,
    timestamp: payload.time,
    // JSON leaves out a member that is undefined.
    source: payload.source,
    payload,
  };
  return written(event, message);
}

/** The payload alone as JSON text, which is also the event as a CloudEvent and as a document. It may be poison, too. */
export function payloadBody(message: Message, runStartedAtMs: number): string {
  return written(payloadOf(message, runStartedAtMs), message);
}

function written(value: object, { poison }: Message): string {
  const text = JSON.stringify(value);
  return poison === 'not_json' ? text.slice(0, Math.floor(text.length / 2)) : text;
}

function payloadOf({ topic, eventId, variant, poison }: Message, runStartedAtMs: number): ChaosPayload {
  const amount = amountOf(topic, eventId);
  const bytes = poison === 'too_large' ? TOO_LARGE_BYTES : EVENT_BYTES - FRAME_BYTES - 2 * topic.length;
  const filler = `${eventId} `.repeat(Math.ceil(Math.max(1, bytes) / (eventId.length + 1)));
  return {
    specversion: '1.0',
    id: cloudEventIdOf(eventId),
    source: poison === 'missing_field' ? undefined : SOURCE,
    type: topic,
    time: new Date(runStartedAtMs - amount * 1_000).toISOString(),
    amount,
    variant,
    filler: poison === 'nul' ? `${filler}\u0000` : filler,
  };
}
