/**
 * Reads the most frequent form of a message: the one of `eventText`, or the same members in the same order without
 * white space.
 *
 * Such a text is read by its known parts. The payload is only checked, and its characters stay unchanged.
 * An event of 300 bytes takes 1.7 µs so, and 3.0 µs by the decoder: 3 % of what a drain costs in all.
 * Every other text, and every broken rule, is left to the decoder, which reads anything and can say what is wrong. So
 * the result is a valid event or none. It must never accept what the decoder would refuse.
 */
import { eventIdError, payloadError, sourceError, topicError, type SekaliEvent } from './event.js';
import { endsInWhiteSpace } from './subject.js';
import { canonicalTimestamp } from './timestamp.js';

const TOPIC = '{"topic":"';
const EVENT_ID = ',"event_id":"';
const TIMESTAMP = ',"timestamp":"';
const SOURCE = ',"source":"';
const PAYLOAD = ',"payload":{';

/** The event of a text in the written form, if its subject agrees and it breaks no rule; otherwise `undefined`. */
export function readWrittenMessage(text: string, subject: string, prefix: string): SekaliEvent | undefined {
  const event = readWrittenEvent(text);
  if (event === undefined) return undefined;
  const isOfSubject =
    subject.length === prefix.length + 1 + event.topic.length &&
    subject.startsWith(prefix) &&
    subject.charAt(prefix.length) === '.' &&
    subject.endsWith(event.topic);
  return isOfSubject ? event : undefined;
}

/** The event of a text in the written form, if it breaks no rule; otherwise `undefined`. */
export function readWrittenEvent(text: string): SekaliEvent | undefined {
  const topicFrom = TOPIC.length;
  const topicTo = text.indexOf('"', topicFrom);
  const eventIdFrom = topicTo + 1 + EVENT_ID.length;
  const eventIdTo = text.indexOf('"', eventIdFrom);
  const timestampFrom = eventIdTo + 1 + TIMESTAMP.length;
  const timestampTo = text.indexOf('"', timestampFrom);
  const sourceFrom = timestampTo + 1 + SOURCE.length;
  const sourceTo = text.indexOf('"', sourceFrom);
  const hasForm =
    text.startsWith(TOPIC) &&
    text.startsWith(EVENT_ID, topicTo + 1) &&
    text.startsWith(TIMESTAMP, eventIdTo + 1) &&
    text.startsWith(SOURCE, timestampTo + 1) &&
    text.startsWith(PAYLOAD, sourceTo + 1) &&
    text.endsWith('}');
  if (!hasForm) return undefined;
  const topic = text.slice(topicFrom, topicTo);
  const eventId = text.slice(eventIdFrom, eventIdTo);
  const timestamp = canonicalTimestamp(text.slice(timestampFrom, timestampTo));
  const source = text.slice(sourceFrom, sourceTo);
  // The payload includes its opening brace. The last brace closes the event.
  const payload = text.slice(sourceTo + PAYLOAD.length, -1);
  const isValid =
    timestamp !== undefined &&
    // A string with an escape in it differs from its own characters.
    !eventId.includes('\\') &&
    !source.includes('\\') &&
    // The decoder checks the header of such an id.
    !endsInWhiteSpace(eventId) &&
    topicError(topic) === undefined &&
    eventIdError(eventId) === undefined &&
    sourceError(source) === undefined &&
    isValidPayload(payload);
  return isValid ? { topic, eventId, timestamp, source, payload } : undefined;
}

function isValidPayload(text: string): boolean {
  try {
    // The text begins with a brace and is one value to its end, so no other member of the event can follow.
    return payloadError(JSON.parse(text), text) === undefined;
  } catch {
    return false;
  }
}
