/** Stored events as JSON text, their payloads spliced in as Postgres wrote them: numbers keep all their digits. */
import type { StoredEvent } from '#store';

/** One event as `GET /events` shows it; `more` adds members at the end. */
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

/** A page as a JSON array. */
export function eventArrayText(events: readonly StoredEvent[]): string {
  return `[${events.map((event) => eventViewText(event)).join(',')}]`;
}

/** What names one event. */
export interface EventIdentity {
  readonly topic: string;
  readonly eventId: string;
}

/** What `/events/{topic}/{event_id}` names; the id is everything after the topic, slashes included. */
export function identityOf(url: string): EventIdentity | undefined {
  const match = /^\/events\/([^/?]+)\/([^?]+)/.exec(url);
  return match ? decoded(match[1] ?? '', match[2] ?? '') : undefined;
}

/** What `/events/{topic}?event_id=` names: clients take an id that is `.` or `..` out of a path, escaped or not. */
export function identityInQuery(url: string): EventIdentity | undefined {
  const match = /^\/events\/([^/?]+)\?(.*)$/s.exec(url);
  const ids = new URLSearchParams(match?.[2] ?? '').getAll('event_id');
  const identity = match ? decoded(match[1] ?? '', '') : undefined;
  const [eventId, ...others] = ids;
  return identity === undefined || eventId === undefined || others.length > 0
    ? undefined
    : { ...identity, eventId };
}

function decoded(topic: string, eventId: string): EventIdentity | undefined {
  try {
    return { topic: decodeURIComponent(topic), eventId: decodeURIComponent(eventId) };
  } catch {
    return undefined;
  }
}
