/**
 * CloudEvents over NATS, by the protocol binding 1.0.3 and, without headers, by 1.0.2.
 *
 *   content-type: application/cloudevents…  ─▶ structured: the body is the CloudEvent
 *   ce-specversion: 1.0                     ─▶ binary: attributes in headers, data as the body
 *   neither, a body with a specversion      ─▶ structured, as before NATS had headers
 *   neither                                 ─▶ an event of our own form, which is nearly every message
 *
 * The body of a binary CloudEvent may have the form of an event, so headers have to be looked through first. Parsing
 * them would cost each message as much as reading its body. A scan of their bytes takes a tenth of that.
 */
import { eventText } from './event.js';
import { readCloudEvent, structuredText } from './cloud-event.js';
import { ambiguousIdError, undecodable, utf8Text, type Decoded, type RawMessage } from './raw-message.js';
import { topicOf } from './subject.js';

const PREFIX = 'ce-';
const CONTENT_TYPE = 'content-type';
const DATA_TYPE = 'datacontenttype';
const STRUCTURED = 'application/cloudevents';
const LINE_FEED = 0x0a;
const LOWER_C = 0x63;
const TO_LOWER = 0x20;

type Headers = ReadonlyMap<string, string>;

/** The rules of the stream. */
export interface DecodingRules {
  /** The first tokens of every subject. */
  readonly prefix: string;
  /** The largest event, in bytes. */
  readonly eventBytesMax: number;
}

/** Decodes a message whose headers say that it is a CloudEvent; `undefined` for any other. It never throws. */
export function decodeCloudEvent(message: RawMessage, rules: DecodingRules): Decoded | undefined {
  const bytes = message.headerBytes?.();
  if (bytes === undefined || !mayHaveOurs(bytes)) return undefined;
  const headers = headersIn(bytes);
  const type = (headers.get(CONTENT_TYPE) ?? '').split(';', 1)[0]?.trim().toLowerCase() ?? '';
  if (type === STRUCTURED || type === `${STRUCTURED}+json`) {
    const text = utf8Text(message.data);
    if (text === undefined) return undecodable('not_utf8', 'the body is not UTF-8');
    return decodeText(text, message, rules);
  }
  if (type.startsWith(STRUCTURED))
    return undecodable(
      'invalid_event',
      `content-type ${type}: a message is one CloudEvent in the JSON format (${STRUCTURED}+json)`,
    );
  if (!headers.has(`${PREFIX}specversion`)) return undefined;
  return decodeText(binaryText(headers, message.data), message, rules);
}

/** Decodes a CloudEvent in its JSON format. It never throws. */
export function decodeStructured(
  value: unknown,
  text: string,
  message: RawMessage,
  { prefix, eventBytesMax }: DecodingRules,
): Decoded {
  const { publishedAt = new Date(0), subject } = message;
  const read = readCloudEvent(value, text.trim(), undefined, () => publishedAt.getTime());
  if (!read.ok) {
    const detail = read.errors.map(({ field, message: what }) => `${field}: ${what}`).join('; ');
    return undecodable('invalid_event', `CloudEvent: ${detail}`, read.eventId);
  }
  const { event, type } = read;
  const { topic, eventId } = event;
  if (topic !== topicOf(prefix, subject)) {
    const detail = `the CloudEvent has type ${type}, which is topic ${topic}, and the subject is ${subject}`;
    return undecodable('subject_mismatch', detail, eventId);
  }
  const ambiguous = ambiguousIdError(topic, eventId, message);
  if (ambiguous !== undefined) return undecodable('invalid_event', ambiguous, eventId);
  const bytes = Buffer.byteLength(eventText(event));
  if (bytes > eventBytesMax)
    return undecodable(
      'too_large',
      `${bytes} bytes as an event, at most ${eventBytesMax} are allowed`,
      eventId,
    );
  return { ok: true, event };
}

function decodeText(text: string, message: RawMessage, rules: DecodingRules): Decoded {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    return undecodable('not_json', error instanceof Error ? error.message : 'the body is not JSON');
  }
  return decodeStructured(value, text, message, rules);
}

/** The data has the type of its attribute. Senders that think of HTTP say it in `content-type`. */
function binaryText(headers: Headers, data: Uint8Array): string {
  const attributes = [...headers]
    .filter(([name]) => name.startsWith(PREFIX))
    .map(([name, value]) => [name.slice(PREFIX.length), value] as const)
    .filter(([name]) => name !== DATA_TYPE);
  const type = headers.get(PREFIX + DATA_TYPE) ?? headers.get(CONTENT_TYPE);
  return structuredText(attributes, type, Buffer.from(data.buffer, data.byteOffset, data.length));
}

/** Whether the name of a header begins with a c. Those of the brokers and of gateways do not. */
function mayHaveOurs(bytes: Uint8Array): boolean {
  for (let at = bytes.indexOf(LINE_FEED); at !== -1; at = bytes.indexOf(LINE_FEED, at + 1))
    if (((bytes[at + 1] ?? 0) | TO_LOWER) === LOWER_C) return true;
  return false;
}

/** Names are in lower case, because NATS compares them so. Of a repeated one, the first counts. */
function headersIn(bytes: Uint8Array): Headers {
  const headers = new Map<string, string>();
  for (const line of Buffer.from(bytes).toString('utf8').split('\r\n')) {
    const colon = line.indexOf(':');
    const name = line.slice(0, Math.max(0, colon)).trim().toLowerCase();
    if (name !== '' && !headers.has(name)) headers.set(name, line.slice(colon + 1).trim());
  }
  return headers;
}
