/**
 * Names on the broker: subjects and message ids.
 *
 * The whole stream has one duplicate window, not one per subject. So the topic is part of the message id.
 */

/** The header by which JetStream recognises a repeated publish. */
export const MESSAGE_ID_HEADER = 'Nats-Msg-Id';

/**
 * Identifies one submission. A publisher that tried twice and gets the answer "duplicate" sees by it whether the broker
 * means its own first try. No other program needs it.
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
 * A header loses the white space at its ends. So `a` and `a ` would become one id, and the second event would vanish as
 * a duplicate of the first. Such an id is written `<topic>;<base64url>` instead. No other event can have that id,
 * because a topic contains neither character.
 */
export function messageIdOf(topic: string, eventId: string): string {
  if (eventId.trim() === eventId) return `${topic}:${eventId}`;
  return `${topic};${Buffer.from(eventId, 'utf8').toString('base64url')}`;
}

/** Whether an event id ends in white space. The plain form of its message id would lose it. */
export function endsInWhiteSpace(eventId: string): boolean {
  const last = eventId.charCodeAt(eventId.length - 1);
  // Nearly every id ends here, without a further check.
  if (last > 0x20 && last < 0x80) return false;
  return eventId.trimEnd() !== eventId;
}

/** The event id in a message id of a topic, or `undefined` when it has none of the forms of `messageIdOf`. */
export function eventIdOf(topic: string, messageId: string): string | undefined {
  if (messageId.startsWith(`${topic}:`)) return messageId.slice(topic.length + 1);
  if (!messageId.startsWith(`${topic};`)) return undefined;
  const eventId = Buffer.from(messageId.slice(topic.length + 1), 'base64url').toString('utf8');
  return messageIdOf(topic, eventId) === messageId ? eventId : undefined;
}
