/**
 * The way most messages come: as `eventText` writes them, or with the same members in the same order and no white space.
 *
 * Such a text is read by its known parts. The payload is only looked at, to see that it is JSON; its characters stay as
 * they are. Whatever is not exactly so, or breaks a rule, is left to the decoder, which reads anything and can say what is
 * wrong: this answers with a valid event or not at all, and must never accept what the decoder would refuse.
 */
import { eventIdError, payloadError, sourceError, topicError, type SekaliEvent } from './event.js';
import { plainObjectEnd } from './plain-payload.js';
import { endsInWhiteSpace } from './subject.js';
import { canonicalTimestamp } from './timestamp.js';

const TOPIC = '{"topic":"';
const EVENT_ID = ',"event_id":"';
const TIMESTAMP = ',"timestamp":"';
const SOURCE = ',"source":"';
const PAYLOAD = ',"payload":{';

/** An event whose text has the written form, whose subject agrees and which breaks no rule; else `undefined`. */
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

/** An event whose text has the written form and which breaks no rule; else `undefined`. */
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
  // The brace that opens the payload belongs to it; the last one closes the event.
  const payloadFrom = sourceTo + PAYLOAD.length;
  const payload = text.slice(payloadFrom, -1);
  const isValid =
    timestamp !== undefined &&
    // With an escape in it a string is not its own characters.
    !eventId.includes('\\') &&
    !source.includes('\\') &&
    // The decoder looks at the header of such an id.
    !endsInWhiteSpace(eventId) &&
    topicError(topic) === undefined &&
    eventIdError(eventId) === undefined &&
    sourceError(source) === undefined &&
    (plainObjectEnd(text, payloadFrom) === text.length - 1 || isValidPayload(payload));
  return isValid ? { topic, eventId, timestamp, source, payload } : undefined;
}

function isValidPayload(text: string): boolean {
  try {
    // Begins with a brace and is one value to its end: another member of the event behind it is no JSON.
    return payloadError(JSON.parse(text), text) === undefined;
  } catch {
    return false;
  }
}
