/** Stored events as JSON text. Payloads are spliced in as Postgres wrote them, so numbers keep all their digits. */
import type { StoredEvent } from '#store';

/** One event in the form of `GET /events`; `more` adds members at the end. */
export function eventViewText(event: StoredEvent, more: Readonly<Record<string, unknown>> = {}): string {
  const before = JSON.stringify({
    topic: event.topic,
    event_id: event.eventId,
    timestamp: event.timestamp,
    source: event.source,
  });
  const after = JSON.stringify({
    seq: event.seq,
    published_at: event.publishedAt,
    stored_at: event.storedAt,
    ...more,
  });
  return `${before.slice(0, -1)},"payload":${event.payload},${after.slice(1)}`;
}

/** A page as a JSON array. @param write one event */
export function eventArrayText(
  events: readonly StoredEvent[],
  write: (event: StoredEvent) => string = eventViewText,
): string {
  return `[${events.map((event) => write(event)).join(',')}]`;
}

/** The identity of one event. */
export interface EventIdentity {
  readonly topic: string;
  readonly eventId: string;
}

/** The identity in `/events/{topic}/{event_id}`. The id is everything after the topic, including slashes. */
export function identityOf(url: string): EventIdentity | undefined {
  const match = /^\/events\/([^/?]+)\/([^?]+)/.exec(url);
  return match ? decoded(match[1] ?? '', match[2] ?? '') : undefined;
}

/**
 * The identity in `/events/{topic}?event_id=`. Clients remove an id that is `.` or `..` from a path, escaped or not.
 */
export function identityInQuery(url: string): EventIdentity | undefined {
  const match = /^\/events\/([^/?]+)\?(.*)$/s.exec(url);
  const ids = new URLSearchParams(match?.[2] ?? '').getAll('event_id');
  const identity = match ? decoded(match[1] ?? '', '') : undefined;
  const [eventId, ...others] = ids;
  return identity === undefined || eventId === undefined || others.length > 0
    ? undefined
    : { ...identity, eventId };
}

/**
 * The identity in `/events/{topic}/{event_id}/story` or `/events/{topic}/story?event_id=`; `undefined` for the URL of
 * an event. A slash of the id itself may be escaped: `/events/a/b%2Fstory` is an event.
 */
export function storyIdentity(url: string): EventIdentity | undefined {
  const [, topic = '', eventId, query = ''] =
    /^\/events\/([^/?]+)(?:\/([^?]+))?\/story(?:\?(.*))?$/s.exec(url) ?? [];
  if (eventId !== undefined) return decoded(topic, eventId);
  return topic === '' ? undefined : identityInQuery(`/events/${topic}?${query}`);
}

function decoded(topic: string, eventId: string): EventIdentity | undefined {
  try {
    return { topic: decodeURIComponent(topic), eventId: decodeURIComponent(eventId) };
  } catch {
    return undefined;
  }
}
