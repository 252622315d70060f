/**
 * The event that a replay publishes: the message as it came, or with a mended event in its place.
 *
 * The event id stays. A replay has another message id, so the id has to stand in the body. A body that has it is
 * published byte for byte. Any other one is written in the form in which gateways publish events.
 */
import { decodeEvent, eventText, MESSAGE_ID_HEADER, messageIdOf, subjectOf, type Decoded } from '#contracts';
import type { FoundDeadLetter } from '#store';

/** What a replay publishes. */
export interface ReplayMessage {
  readonly topic: string;
  readonly eventId: string;
  /** `null` is the body of the dead letter, byte for byte. */
  readonly body: Buffer | null;
}

/** A message, or the reason why the dead letter cannot be replayed like this. */
export type Replayable =
  { readonly ok: true; readonly message: ReplayMessage } | { readonly ok: false; readonly detail: string };

/** The rules of an event at this gateway. */
export interface EventRules {
  readonly subjectPrefix: string;
  readonly eventBytesMax: number;
}

type Letter = Pick<FoundDeadLetter, 'reference' | 'subject' | 'eventId' | 'headers' | 'body' | 'bodyBytes'>;
type Headers = FoundDeadLetter['headers'];

/** By one of these headers, a message is a CloudEvent. */
const OF_CLOUD_EVENT = /^(ce-|content-type: *application\/cloudevents)/i;
/** Headers of fewer characters than these were kept whole with the dead letter, see `JetStreamDelivery`. */
const KEPT_LENGTH_MAX = 6_000;
const KEPT_VALUE_LENGTH_MAX = 2_000;

/**
 * Finds out what a replay publishes.
 *
 * @param mended the JSON text of an event. Its topic and its id may be left out
 */
export function replayMessage(letter: Letter, mended: string | undefined, rules: EventRules): Replayable {
  return mended === undefined ? asItCame(letter, rules) : asMended(letter, mended, rules);
}

function asItCame(letter: Letter, rules: EventRules): Replayable {
  if (letter.bodyBytes > letter.body.length || letter.bodyBytes > rules.eventBytesMax) {
    const detail = `The body has ${letter.bodyBytes} bytes, and ${rules.eventBytesMax} are allowed.`;
    return { ok: false, detail: `${detail} Give a mended event.` };
  }
  if (hasCutAttributes(letter.headers)) {
    const detail = 'It is a CloudEvent whose headers were too long to be kept whole. Give a mended event.';
    return { ok: false, detail };
  }
  const decode = (headers: Headers): Decoded =>
    decodeEvent(
      {
        subject: letter.subject,
        data: letter.body,
        publishedAt: new Date(letter.reference.publishedMs),
        header: (name) => headers[name]?.[0],
        headerBytes: () => headerLines(headers),
      },
      rules.subjectPrefix,
      rules.eventBytesMax,
    );
  const decoded = decode(letter.headers);
  if (!decoded.ok) {
    const detail = `It would fail again (${decoded.reason}: ${decoded.detail}). Give a mended event.`;
    return { ok: false, detail };
  }
  const { event } = decoded;
  const isComplete = decode({}).ok;
  const body = isComplete ? null : Buffer.from(eventText(event));
  return { ok: true, message: { topic: event.topic, eventId: event.eventId, body } };
}

function asMended(letter: Letter, mended: string, rules: EventRules): Replayable {
  const topic = topicIn(mended);
  const subject = topic === undefined ? letter.subject : subjectOf(rules.subjectPrefix, topic);
  const named = subject.slice(rules.subjectPrefix.length + 1);
  const messageId =
    letter.eventId === null ? letter.headers[MESSAGE_ID_HEADER]?.[0] : messageIdOf(named, letter.eventId);
  const header = (name: string): string | undefined => (name === MESSAGE_ID_HEADER ? messageId : undefined);
  const message = { subject, data: Buffer.from(mended), header };
  const decoded = decodeEvent(message, rules.subjectPrefix, rules.eventBytesMax);
  if (!decoded.ok) return { ok: false, detail: `The mended event is not valid: ${decoded.detail}.` };
  const { event } = decoded;
  if (letter.eventId !== null && letter.eventId !== event.eventId) {
    const detail = `A replay keeps the event id, which is ${JSON.stringify(letter.eventId)}: leave it out.`;
    return { ok: false, detail };
  }
  const body = Buffer.from(eventText(event));
  return { ok: true, message: { topic: event.topic, eventId: event.eventId, body } };
}

/** The headers of a message whose body was written as an event of our own form. */
export function withoutCloudEvent(headers: Headers): Headers {
  const others = Object.entries(headers).filter(
    ([name, values]) => !OF_CLOUD_EVENT.test(`${name}: ${values[0] ?? ''}`),
  );
  return Object.fromEntries(others);
}

function hasCutAttributes(headers: Headers): boolean {
  const entries = Object.entries(headers);
  if (!entries.some(([name]) => name.toLowerCase() === 'ce-specversion')) return false;
  const lengths = entries.flatMap(([name, values]) => [name.length, ...values.map(({ length }) => length)]);
  const isLong = lengths.some((length) => length > KEPT_VALUE_LENGTH_MAX);
  return isLong || lengths.reduce((sum, length) => sum + length, 0) > KEPT_LENGTH_MAX;
}

function headerLines(headers: Headers): Buffer {
  const lines = Object.entries(headers).flatMap(([name, values]) =>
    values.map((value) => `${name}: ${value}\r\n`),
  );
  return Buffer.from(`\r\n${lines.join('')}`);
}

/** The topic in the text of an event, whatever else is wrong with it. */
function topicIn(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { topic?: unknown } | null;
    return typeof value?.topic === 'string' ? value.topic : undefined;
  } catch {
    return undefined;
  }
}
