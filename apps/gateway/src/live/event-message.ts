/** Server-sent events: what listeners get (WHATWG HTML, section 9.2). */
import type { EventPosition, StoredEvent } from '#store';
import { writeCursor } from '../events/event-cursor.js';
import { eventViewText } from '../events/event-text.js';

/** Sent first. A client that is cut off comes back after a second. */
export const OPENING = Buffer.from('retry: 1000\n\n');
/** Keeps proxies from closing the connection. */
export const COMMENT = Buffer.from(':\n\n');
/** The store does not answer. Nothing is missed meanwhile. */
export const WAITING = Buffer.from('event: waiting\ndata: {"reason":"database"}\n\n');

/** The store answers again. It has no cursor, because it says nothing about a place. */
export const RESUMED = Buffer.from('event: resumed\ndata: {}\n\n');

/** An event. Postgres prints JSON in one line. */
export function eventMessage(event: StoredEvent, position: EventPosition): Buffer {
  return Buffer.from(`id: ${writeCursor(position)}\nevent: event\ndata: ${eventViewText(event)}\n\n`);
}

/** How far was inspected without a match, so that it need not be inspected again. */
export function positionMessage(position: EventPosition): Buffer {
  return Buffer.from(
    `id: ${writeCursor(position)}\nevent: position\ndata: ${JSON.stringify({ seq: position.seq })}\n\n`,
  );
}
