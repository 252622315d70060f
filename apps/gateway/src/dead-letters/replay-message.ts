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

type Letter = Pick<FoundDeadLetter, 'subject' | 'eventId' | 'headers' | 'body' | 'bodyBytes'>;

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
  const decode = (header: (name: string) => string | undefined): Decoded =>
    decodeEvent(
      { subject: letter.subject, data: letter.body, header },
      rules.subjectPrefix,
      rules.eventBytesMax,
    );
  const decoded = decode((name) => letter.headers[name]?.[0]);
  if (!decoded.ok) {
    const detail = `It would fail again (${decoded.reason}: ${decoded.detail}). Give a mended event.`;
    return { ok: false, detail };
  }
  const { event } = decoded;
  const isComplete = decode(() => undefined).ok;
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

/** The topic in the text of an event, whatever else is wrong with it. */
function topicIn(text: string): string | undefined {
  try {
    const value = JSON.parse(text) as { topic?: unknown } | null;
    return typeof value?.topic === 'string' ? value.topic : undefined;
  } catch {
    return undefined;
  }
}
