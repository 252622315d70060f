/**
 * The judge's own parser of the event that a message id names. The forms are `<topic>:<event_id>`, or
 * `<topic>;<base64url of event_id>` for an id with white space at its ends. A gateway's id ends with a colon and the
 * digest of the payload. The workload's own ids have no colon, so the first one ends the event id.
 */

/** @returns the event id; empty when the message id names none of this topic */
export function eventIdOfMessage(topic: string, messageId: string): string {
  if (!messageId.startsWith(topic)) return '';
  const [rest = ''] = messageId.slice(topic.length + 1).split(':', 1);
  switch (messageId.charAt(topic.length)) {
    case ':':
      return rest;
    case ';':
      return Buffer.from(rest, 'base64url').toString('utf8');
    default:
      return '';
  }
}
