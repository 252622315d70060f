/**
 * Names on the broker: subjects and message ids.
 *
 * The duplicate window is one for the whole stream, not one a subject, so the topic is part of the message id.
 */

/** The header by which JetStream recognises a repeated publish. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';

/**
 * Names the attempt of one publish, so that a publisher that asked twice and is told "duplicate" can see
 * whether the broker means its own first try. Nobody else needs it.
 */
export const SUBMISSION_HEADER = 'Sekali-Submission';

/** The subject on which events of a topic are published, for example `events.orders.created`. */
export function subjectOf(prefix: string, topic: string): string {
  return `${prefix}.${topic}`;
}

/** The topic that a subject names, or `undefined` when the subject does not begin with the prefix. */
export function topicOf(prefix: string, subject: string): string | undefined {
  return subject.startsWith(`${prefix}.`) ? subject.slice(prefix.length + 1) : undefined;
}

/**
 * The message id of an event: `<topic>:<event_id>`.
 *
 * A header loses the white space at its ends on the way, so that `a` and `a ` would be one id and the second
 * event would vanish as a duplicate of the first. Such an id is written `<topic>;<base64url>` instead, which no
 * other event can have: a topic contains neither character.
 */
export function messageIdOf(topic: string, eventId: string): string {
  if (eventId.trim() === eventId) return `${topic}:${eventId}`;
  return `${topic};${Buffer.from(eventId, 'utf8').toString('base64url')}`;
}

/** Whether an event id ends in white space: its message id, written plainly, would lose it on the way. */
export function endsInWhiteSpace(eventId: string): boolean {
  const last = eventId.charCodeAt(eventId.length - 1);
  // Nearly every id ends here, without another look.
  if (last > 0x20 && last < 0x80) return false;
  return eventId.trimEnd() !== eventId;
}

/** The event id that a message id carries for a topic, or `undefined` when it has none of the forms of `messageIdOf`. */
export function eventIdOf(topic: string, messageId: string): string | undefined {
  if (messageId.startsWith(`${topic}:`)) return messageId.slice(topic.length + 1);
  if (!messageId.startsWith(`${topic};`)) return undefined;
  const eventId = Buffer.from(messageId.slice(topic.length + 1), 'base64url').toString('utf8');
  return messageIdOf(topic, eventId) === messageId ? eventId : undefined;
}
